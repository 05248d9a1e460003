//go:build wasip1

package host

import (
	"roomwire/internal/wit/types"
	"roomwire/internal/wit/wasi_keyvalue_atomics"
	"roomwire/internal/wit/wasi_keyvalue_store"
)

// Bucket is an open bucket.
type Bucket struct{ bucket *wasi_keyvalue_store.Bucket }

func keysFailed(err wasi_keyvalue_store.Error) (KeysFailed, string) {
	switch err.Tag() {
	case wasi_keyvalue_store.ErrorNoSuchStore:
		return NoSuchBucket, ""
	case wasi_keyvalue_store.ErrorAccessDenied:
		return BucketDenied, ""
	default:
		return KeysOther, err.Other()
	}
}

// answer is the value of a result, or why there is none.
func answer[T any](result types.Result[T, wasi_keyvalue_store.Error]) (value T, failed KeysFailed, why string) {
	if result.Tag() == types.ResultErr {
		failed, why = keysFailed(result.Err())
		return value, failed, why
	}
	return result.Ok(), KeysFine, ""
}

// Open opens a bucket.
func Open(name string) (Bucket, KeysFailed, string) {
	bucket, failed, why := answer(wasi_keyvalue_store.Open(name))
	return Bucket{bucket}, failed, why
}

// Get is the value of a key, and whether it is there.
func (b Bucket) Get(key string) ([]byte, bool, KeysFailed, string) {
	found, failed, why := answer(b.bucket.Get(key))
	if failed != KeysFine || found.Tag() == types.OptionNone {
		return nil, false, failed, why
	}
	return found.Some(), true, KeysFine, ""
}

// Set sets a key.
func (b Bucket) Set(key string, value []byte) (KeysFailed, string) {
	_, failed, why := answer(b.bucket.Set(key, value))
	return failed, why
}

// Delete removes a key.
func (b Bucket) Delete(key string) (KeysFailed, string) {
	_, failed, why := answer(b.bucket.Delete(key))
	return failed, why
}

// Add adds to the number in a key.
func (b Bucket) Add(key string, delta int64) (int64, KeysFailed, string) {
	return answer(wasi_keyvalue_atomics.Increment(b.bucket, key, delta))
}

// Keys is a page of keys, and where the next one begins; empty after the last.
func (b Bucket) Keys(cursor string) ([]string, string, KeysFailed, string) {
	from := types.None[string]()
	if cursor != "" {
		from = types.Some(cursor)
	}
	page, failed, why := answer(b.bucket.ListKeys(from))
	if failed != KeysFine || page.Cursor.Tag() == types.OptionNone {
		return page.Keys, "", failed, why
	}
	return page.Keys, page.Cursor.Some(), KeysFine, ""
}
