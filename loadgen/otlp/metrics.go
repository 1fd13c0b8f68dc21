// Package otlp sends the figures of a report to an OpenTelemetry collector.
//
// Distributions become exponential histograms, made of the report's own HDR
// histograms, so a backend can tell any quantile of them. Everything is a delta
// over the time of the run; names are touchstone.*, times are seconds.
package otlp

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/slim/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/slim/otlp/resource/v1"

	"touchstone/loadgen/hist"
	"touchstone/loadgen/report"
)

// Metrics returns the figures of a report as an export request.
func Metrics(r *report.Report) *collector.ExportMetricsServiceRequest {
	b := &builder{
		start: uint64(r.Started.UnixNano()),
		end:   uint64(r.Started.Add(time.Duration(r.DurationMS * float64(time.Millisecond))).UnixNano()),
	}
	b.gauge("touchstone.run.passed", "1", "Whether the run passed.", point{nil, boolean(r.Passed)})
	b.gauge("touchstone.run.valid", "1", "Whether the figures are the target's own.", point{nil, boolean(r.Validity.Valid)})
	b.counts(r.Loads)
	b.histograms(r.Loads)
	return &collector.ExportMetricsServiceRequest{ResourceMetrics: []*metrics.ResourceMetrics{{
		Resource: &resource.Resource{Attributes: attributes(
			"service.name", "touchstone.loadgen", "service.version", r.Tool.Version,
			"touchstone.run.name", r.Name, "touchstone.target", r.Target.Address)},
		ScopeMetrics: []*metrics.ScopeMetrics{{Scope: &common.InstrumentationScope{Name: "touchstone", Version: r.Tool.Version}, Metrics: b.all}},
	}}}
}

// builder collects metrics of one time span, in nanoseconds since 1970.
type builder struct {
	start, end uint64
	all        []*metrics.Metric
}

// point is a value with its attributes.
type point struct {
	attributes []*common.KeyValue
	value      float64
}

// attributes makes attributes of names and values in turn. Protobuf takes
// strings of UTF-8 only.
func attributes(pairs ...string) []*common.KeyValue {
	var out []*common.KeyValue
	for i := 0; i < len(pairs); i += 2 {
		value := strings.ToValidUTF8(pairs[i+1], "\uFFFD")
		out = append(out, &common.KeyValue{Key: pairs[i], Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}})
	}
	return out
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func loadAttributes(l *report.Load, more ...string) []*common.KeyValue {
	return attributes(append([]string{"load", l.Name, "rpc.system", "grpc", "rpc.method", strings.TrimPrefix(l.Method, "/"),
		"kind", l.Kind, "transport", l.Transport}, more...)...)
}

func (b *builder) points(points []point) []*metrics.NumberDataPoint {
	var out []*metrics.NumberDataPoint
	for _, p := range points {
		out = append(out, &metrics.NumberDataPoint{
			Attributes: p.attributes, StartTimeUnixNano: b.start, TimeUnixNano: b.end,
			Value: &metrics.NumberDataPoint_AsDouble{AsDouble: p.value},
		})
	}
	return out
}

// gauge adds a gauge, unless it has no point.
func (b *builder) gauge(name, unit, help string, points ...point) {
	if len(points) > 0 {
		b.all = append(b.all, &metrics.Metric{Name: name, Unit: unit, Description: help,
			Data: &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: b.points(points)}}})
	}
}

// sum adds a counter, unless it has no point.
func (b *builder) sum(name, unit, help string, points ...point) {
	if len(points) > 0 {
		b.all = append(b.all, &metrics.Metric{Name: name, Unit: unit, Description: help, Data: &metrics.Metric_Sum{Sum: &metrics.Sum{
			DataPoints: b.points(points), IsMonotonic: true, AggregationTemporality: metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA}}})
	}
}

// counts adds what is one number for each load.
func (b *builder) counts(loads []report.Load) {
	var completed, dropped, cancelled, offered, achieved, cpu []point
	for i := range loads {
		l := &loads[i]
		for _, code := range slices.Sorted(maps.Keys(l.Statuses)) {
			completed = append(completed, point{loadAttributes(l, "rpc.response.status_code", code), float64(l.Statuses[code])})
		}
		own := loadAttributes(l)
		dropped = append(dropped, point{own, float64(l.Dropped)})
		cancelled = append(cancelled, point{own, float64(l.Cancelled)})
		offered = append(offered, point{own, l.OfferedRPS})
		achieved = append(achieved, point{own, l.AchievedRPS})
		cpu = append(cpu, point{own, l.CPU.UserS + l.CPU.SystemS})
	}
	b.sum("touchstone.load.completed", "{call}", "Calls that ended, by status.", completed...)
	b.sum("touchstone.load.dropped", "{call}", "Calls that were due beyond the in-flight cap, and never made.", dropped...)
	b.sum("touchstone.load.cancelled", "{call}", "Calls that were cut when the run ended.", cancelled...)
	b.gauge("touchstone.load.offered_rate", "{call}/s", "Calls a second that the schedule asked for.", offered...)
	b.gauge("touchstone.load.achieved_rate", "{call}/s", "Calls a second that ended.", achieved...)
	b.sum("touchstone.load.client_cpu", "s", "CPU time of the client.", cpu...)
}

// histograms adds the distributions of each load.
func (b *builder) histograms(loads []report.Load) {
	for _, one := range report.Distributions() {
		var points []*metrics.ExponentialHistogramDataPoint
		for i := range loads {
			l := one.Of(&loads[i])
			if l == nil || l.Count == 0 {
				continue
			}
			h, err := hist.Decode(l.HDR)
			if err != nil {
				continue // a report of another tool may have figures only
			}
			p := exponential(h)
			p.Attributes, p.StartTimeUnixNano, p.TimeUnixNano = loadAttributes(&loads[i]), b.start, b.end
			p.Count, p.Sum, p.Min, p.Max = uint64(l.Count), new(l.Mean*float64(l.Count)/1000), new(l.Min/1000), new(l.Max/1000)
			points = append(points, p)
		}
		if len(points) > 0 {
			b.all = append(b.all, &metrics.Metric{Name: "touchstone.load." + one.Name + ".duration", Unit: "s", Description: one.Help,
				Data: &metrics.Metric_ExponentialHistogram{ExponentialHistogram: &metrics.ExponentialHistogram{
					DataPoints: points, AggregationTemporality: metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA}}})
		}
	}
}

// Limits of a histogram: 160 buckets are what OpenTelemetry's own SDKs make at
// most, and a scale of 9 makes them as fine as those of the source, 0.14 %.
const (
	maxBuckets = 160
	maxScale   = 9
)

// exponential returns the buckets of a distribution, in seconds, at the finest
// scale that keeps to the limit.
func exponential(h *hist.Histogram) *metrics.ExponentialHistogramDataPoint {
	var values []float64
	var counts []uint64
	zero := uint64(0)
	for bar := range h.Bars() {
		if middle := (bar.Low + bar.High) / 2; middle > 0 {
			values, counts = append(values, middle.Seconds()), append(counts, uint64(bar.Count))
		} else {
			zero += uint64(bar.Count)
		}
	}
	out := &metrics.ExponentialHistogramDataPoint{Scale: maxScale, ZeroCount: zero, Positive: &metrics.ExponentialHistogramDataPoint_Buckets{}}
	if len(values) == 0 {
		return out
	}
	for index(values[len(values)-1], out.Scale)-index(values[0], out.Scale) >= maxBuckets {
		out.Scale--
	}
	first := index(values[0], out.Scale)
	out.Positive.Offset = first
	out.Positive.BucketCounts = make([]uint64, index(values[len(values)-1], out.Scale)-first+1)
	for i, v := range values {
		out.Positive.BucketCounts[index(v, out.Scale)-first] += counts[i]
	}
	return out
}

// index returns the bucket of a value: bucket i holds what is above base^i and
// not above base^(i+1), the base being 2^(2^-scale).
func index(v float64, scale int32) int32 {
	return int32(math.Ceil(math.Ldexp(math.Log2(v), int(scale)))) - 1
}
