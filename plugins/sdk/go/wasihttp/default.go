//go:build wasip1

package wasihttp

import "net/http"

func init() { http.DefaultTransport = Transport{} }
