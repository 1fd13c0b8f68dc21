package retry

import (
	"fmt"
	"strings"
)

// config returns a service config whose default entry has a retry policy.
func config(maxAttempts int, initial, maxBackoff string, multiplier float64, codes string) string {
	return fmt.Sprintf(`{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":%d,"initialBackoff":%q,"maxBackoff":%q,"backoffMultiplier":%v,"retryableStatusCodes":%s}}]}`,
		maxAttempts, initial, maxBackoff, multiplier, codes)
}

// throttled returns the default config with retryThrottling.
func throttled(maxTokens, ratio float64) string {
	return strings.TrimSuffix(DefaultConfig, "}") + fmt.Sprintf(`,"retryThrottling":{"maxTokens":%v,"tokenRatio":%v}}`, maxTokens, ratio)
}

// noPolicy is a service config in which nothing is retried.
const noPolicy = `{"methodConfig":[{"name":[{}]}]}`

// fails is a plan in which every attempt gets a status: Trailers-Only, so that
// it may be retried.
func fails(code int) string { return fmt.Sprintf("- inject: {status: %d}", code) }

// failsFirst is a plan in which the first k attempts of a call get UNAVAILABLE.
func failsFirst(k int) string {
	return fmt.Sprintf("- {match: {attempt: 1-%d}, inject: {status: UNAVAILABLE}}", k)
}

// injects is a plan that does one thing to the first attempt.
func injects(what string) string {
	return fmt.Sprintf("- {match: {attempt: 1}, inject: {%s}}", what)
}
