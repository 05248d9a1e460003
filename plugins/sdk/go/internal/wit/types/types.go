// Package types has the types of WIT that Go has no word for, as generated bindings name them.
package types

// Unit is nothing.
type Unit struct{}

// Tuple2 is a pair.
type Tuple2[A, B any] struct {
	F0 A
	F1 B
}

// The tags of an Option.
const (
	OptionNone uint8 = iota
	OptionSome
)

// Option is a value, or none.
type Option[T any] struct {
	tag   uint8
	value T
}

// None makes an Option without a value.
func None[T any]() Option[T] { return Option[T]{} }

// Some makes an Option with a value.
func Some[T any](value T) Option[T] { return Option[T]{OptionSome, value} }

// Tag tells which it is.
func (o Option[T]) Tag() uint8 { return o.tag }

// Some gives the value; it panics where there is none.
func (o Option[T]) Some() T {
	if o.tag != OptionSome {
		panic("none has no value")
	}
	return o.value
}

// The tags of a Result.
const (
	ResultOk uint8 = iota
	ResultErr
)

// Result is a value or an error.
type Result[T, E any] struct {
	tag   uint8
	value T
	err   E
}

// Ok makes a Result with a value.
func Ok[T, E any](value T) Result[T, E] { return Result[T, E]{tag: ResultOk, value: value} }

// Err makes a Result with an error.
func Err[T, E any](err E) Result[T, E] { return Result[T, E]{tag: ResultErr, err: err} }

// Tag tells which it is.
func (r Result[T, E]) Tag() uint8 { return r.tag }

// Ok gives the value; it panics where there is an error.
func (r Result[T, E]) Ok() T {
	if r.tag != ResultOk {
		panic("an error has no value")
	}
	return r.value
}

// Err gives the error; it panics where there is a value.
func (r Result[T, E]) Err() E {
	if r.tag != ResultErr {
		panic("a value is no error")
	}
	return r.err
}
