package roomwire

import (
	"fmt"

	"roomwire/internal/host"
)

// Bucket holds keys that allow.keyvalue grants. What a call changes is committed with the end of its event; of a call that
// fails nothing is changed. Each room sees keys of its own, unless the bucket's scope is shared. What the host refuses (a
// bucket that is not granted or is full, a key or value that is too large) is a permanent failure.
type Bucket struct {
	bucket host.Bucket
	name   string
}

// OpenBucket opens a bucket.
func OpenBucket(name string) (*Bucket, error) {
	bucket, failed, why := host.Open(name)
	opened := &Bucket{bucket, name}
	return opened, opened.failure(failed, why)
}

// Get is the value of a key, and whether it is there.
func (b *Bucket) Get(key string) ([]byte, bool, error) {
	value, ok, failed, why := b.bucket.Get(key)
	return value, ok, b.failure(failed, why)
}

// Set sets a key, over whatever it held.
func (b *Bucket) Set(key string, value []byte) error {
	return b.failure(b.bucket.Set(key, value))
}

// Delete removes a key; one that is not there is no error.
func (b *Bucket) Delete(key string) error {
	return b.failure(b.bucket.Delete(key))
}

// Add adds to the decimal number in a key, 0 where it is not there, and gives the sum.
func (b *Bucket) Add(key string, delta int64) (int64, error) {
	sum, failed, why := b.bucket.Add(key, delta)
	return sum, b.failure(failed, why)
}

// Keys are all keys, in order.
func (b *Bucket) Keys() ([]string, error) {
	var keys []string
	for cursor := ""; ; {
		page, next, failed, why := b.bucket.Keys(cursor)
		if err := b.failure(failed, why); err != nil {
			return nil, err
		}
		keys = append(keys, page...)
		if next == "" {
			return keys, nil
		}
		cursor = next
	}
}

func (b *Bucket) failure(failed host.KeysFailed, why string) error {
	switch failed {
	case host.KeysFine:
		return nil
	case host.NoSuchBucket:
		return Permanent(fmt.Sprintf("there is no bucket `%s`", b.name))
	case host.BucketDenied:
		return Permanent(fmt.Sprintf("bucket `%s` is not granted; add it to the handler's `allow.keyvalue`", b.name))
	default:
		return Permanent(why)
	}
}
