package roomwire

import (
	"errors"
	"slices"
	"testing"

	"roomwire/internal/host"
)

func TestKeysAreSetAddedToListedAndRemoved(t *testing.T) {
	host.Buckets = map[string]map[string][]byte{"usage": {}}
	bucket, err := OpenBucket("usage")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := bucket.Add("n", 2); err != nil {
			t.Fatal(err)
		}
	}
	if err := bucket.Set("a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if value, ok, err := bucket.Get("n"); string(value) != "6" || !ok || err != nil {
		t.Fatal(value, ok, err)
	}
	if keys, err := bucket.Keys(); !slices.Equal(keys, []string{"a", "n"}) || err != nil {
		t.Fatal(keys, err)
	}
	if err := bucket.Delete("a"); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := bucket.Get("a"); ok || err != nil {
		t.Fatal(ok, err)
	}
}

func TestWhatTheHostRefusesIsPermanent(t *testing.T) {
	host.Buckets = map[string]map[string][]byte{"usage": {}}
	_, err := OpenBucket("other")
	var never permanent
	if !errors.As(err, &never) || err.Error() != "bucket `other` is not granted; add it to the handler's `allow.keyvalue`" {
		t.Fatal(err)
	}
	bucket, _ := OpenBucket("usage")
	if err := bucket.Set("", nil); !errors.As(err, &never) {
		t.Fatal(err)
	}
}
