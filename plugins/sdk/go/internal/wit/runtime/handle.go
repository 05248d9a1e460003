//go:build wasip1

package runtime

// Handle is a resource of the host, until it is given away or dropped. A guest is one thread.
type Handle struct {
	// 0 is no handle.
	value int32
}

// MakeHandle is a handle that the host gave.
func MakeHandle(value int32) *Handle { return &Handle{value} }

// Use gives the handle for a call.
func (handle *Handle) Use() int32 {
	if handle.value == 0 {
		panic("a resource of the host is used after it was dropped or given away")
	}
	return handle.value
}

// Take gives the handle away.
func (handle *Handle) Take() int32 {
	value := handle.Use()
	handle.value = 0
	return value
}

// TakeOrNil gives the handle away, or 0 where there is none any more.
func (handle *Handle) TakeOrNil() int32 {
	value := handle.value
	handle.value = 0
	return value
}

// Set puts another handle in its place.
func (handle *Handle) Set(value int32) {
	if handle.value != 0 {
		panic("a resource of the host is replaced before it was given away")
	}
	handle.value = value
}
