//go:build wasip1

// Package runtime is the memory that a host and generated bindings share. Memory that the host writes to or reads from
// is pinned, so that the collector leaves it alone, until the call that needed it is over.
package runtime

import (
	goruntime "runtime"
	"unsafe"
)

// lowered is what the host wrote for the call that runs.
var lowered goruntime.Pinner

// Allocate gives pinned memory, aligned to 8 bytes, which is as much as any type of WIT wants.
func Allocate(pinner *goruntime.Pinner, size, _ uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	memory := unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	pinner.Pin(memory)
	return memory
}

// Unpin ends the pins of what the host wrote: it is copied, or kept by references from Go, by then.
func Unpin() { lowered.Unpin() }

// running says that Go's heap can be used. The adapter for WASI 0.1 asks for memory before that: for its own state, at
// the first call of WASI, which the runtime makes while it starts.
var running bool

func init() { running = true }

//go:linkname sbrk runtime.sbrk
func sbrk(size uintptr) unsafe.Pointer

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

// realloc is how the host gets memory of a guest. It may call no import, and a collection would (it looks at the
// clock), so none may start in here: while the processor is pinned none does.
//
//go:wasmexport cabi_realloc
func realloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if !running {
		// Memory that Go's runtime gets from the system and never sees again. Nothing is ever grown.
		return unsafe.Pointer((uintptr(sbrk(size+align)) + align - 1) &^ (align - 1))
	}
	procPin()
	memory := Allocate(&lowered, size, align)
	if old != nil {
		copy(unsafe.Slice((*byte)(memory), size), unsafe.Slice((*byte)(old), min(oldSize, size)))
	}
	procUnpin()
	return memory
}
