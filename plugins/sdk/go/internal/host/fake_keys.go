//go:build !wasip1

package host

import (
	"slices"
	"strconv"
)

// Buckets are those that a test grants, with their keys.
var Buckets = map[string]map[string][]byte{}

// Bucket is an open bucket.
type Bucket struct{ keys map[string][]byte }

// Open looks into Buckets.
func Open(name string) (Bucket, KeysFailed, string) {
	keys, ok := Buckets[name]
	if !ok {
		return Bucket{}, BucketDenied, ""
	}
	return Bucket{keys}, KeysFine, ""
}

// Get is the value of a key, and whether it is there.
func (b Bucket) Get(key string) ([]byte, bool, KeysFailed, string) {
	value, ok := b.keys[key]
	return value, ok, KeysFine, ""
}

// Set sets a key.
func (b Bucket) Set(key string, value []byte) (KeysFailed, string) {
	if key == "" {
		return KeysOther, "a key must not be empty"
	}
	b.keys[key] = value
	return KeysFine, ""
}

// Delete removes a key.
func (b Bucket) Delete(key string) (KeysFailed, string) {
	delete(b.keys, key)
	return KeysFine, ""
}

// Add adds to the number in a key.
func (b Bucket) Add(key string, delta int64) (int64, KeysFailed, string) {
	var number int64
	if value, ok := b.keys[key]; ok {
		var err error
		if number, err = strconv.ParseInt(string(value), 10, 64); err != nil {
			return 0, KeysOther, "no number"
		}
	}
	b.keys[key] = strconv.AppendInt(nil, number+delta, 10)
	return number + delta, KeysFine, ""
}

// Keys is a page of one key, and where the next one begins.
func (b Bucket) Keys(cursor string) ([]string, string, KeysFailed, string) {
	var keys []string
	for key := range b.keys {
		if key > cursor {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if len(keys) > 1 {
		return keys[:1], keys[0], KeysFine, ""
	}
	return keys, "", KeysFine, ""
}
