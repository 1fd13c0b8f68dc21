package report

// Distribution is one of the distributions that a load may have.
type Distribution struct {
	Name string // such as first_message
	Help string // what is measured, in a sentence
	// Of returns that of a load, nil where it has none.
	Of func(*Load) *Latency
}

// Distributions returns those that exporters write, in their order.
func Distributions() []Distribution {
	return []Distribution{
		{"response", "From the moment a call was due to its end.", func(l *Load) *Latency { return &l.Response }},
		{"service", "From the moment a call was sent to its end.", func(l *Load) *Latency { return &l.Service }},
		{"lag", "How late the client sent calls.", func(l *Load) *Latency { return &l.Lag }},
		{"first_message", "From the sending of a stream to its first message.", func(l *Load) *Latency {
			if l.Stream == nil {
				return nil
			}
			return &l.Stream.FirstMessage
		}},
		{"between_messages", "From one message of a stream to the next.", func(l *Load) *Latency {
			if l.Stream == nil {
				return nil
			}
			return &l.Stream.BetweenMessages
		}},
	}
}
