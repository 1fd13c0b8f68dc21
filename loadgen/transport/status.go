package transport

import "google.golang.org/grpc/codes"

// CodeOfHTTP is the status of a response that has no grpc-status, by its HTTP
// status (gRPC's http-grpc-status-mapping).
func CodeOfHTTP(status int) codes.Code {
	switch status {
	case 400:
		return codes.Internal
	case 401:
		return codes.Unauthenticated
	case 403:
		return codes.PermissionDenied
	case 404:
		return codes.Unimplemented
	case 429, 502, 503, 504:
		return codes.Unavailable
	}
	return codes.Unknown
}
