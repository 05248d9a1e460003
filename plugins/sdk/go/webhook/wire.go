// Package webhook is the body of a webhook, typed and tolerant of what is newer than this module.
package webhook

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Parse reads a body. A known field of another type than LiveKit documents is an error.
func Parse(body string) (*Webhook, error) {
	var found Webhook
	if err := json.Unmarshal([]byte(body), &found); err != nil {
		return nil, fmt.Errorf("cannot read the webhook's body: %w", err)
	}
	return &found, nil
}

// Long is a 64-bit integer, which LiveKit writes as text; a number passes, too.
type Long int64

// UnmarshalJSON reads text or a number.
func (l *Long) UnmarshalJSON(body []byte) error {
	text := string(body)
	if text == "null" {
		return nil
	}
	if len(text) > 1 && text[0] == '"' {
		text = text[1 : len(text)-1]
	}
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("%s is no 64-bit integer", body)
	}
	*l = Long(value)
	return nil
}

// Name is the name of an enum's value, or the digits of one that LiveKit's own build has no name for.
type Name string

// UnmarshalJSON reads a name or a number.
func (n *Name) UnmarshalJSON(body []byte) error {
	if string(body) == "null" {
		return nil
	}
	if body[0] == '"' {
		return json.Unmarshal(body, (*string)(n))
	}
	if _, err := strconv.ParseInt(string(body), 10, 64); err != nil {
		return fmt.Errorf("%s is no name", body)
	}
	*n = Name(body)
	return nil
}

func unmarshal(body []byte, into any) error { return json.Unmarshal(body, into) }
