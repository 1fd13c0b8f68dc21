package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/pflag"

	"touchstone/loadgen/safety"
	"touchstone/loadgen/transport"
)

// safetyFlags say what may be done to a target that is not this machine. The
// zero value allows loopback only, with what touchstone.yaml adds; nil allows
// everything.
type safetyFlags struct {
	config      string
	targets     []string
	methods     []string
	maxRate     float64
	maxInFlight int
	stopOn      string

	done   bool // read has been called
	file   safety.File
	rule   *safety.StopRule
	guards map[string]*safety.Guard // by address, of admit
}

// guard adds the flags of a command whose calls all go through connections of
// the target, and holds what they say against all of them.
func (f *targetFlags) guard(fs *pflag.FlagSet) {
	f.safety = &safetyFlags{}
	f.safety.register(fs)
}

// register adds the flags that all commands have which send load.
func (f *safetyFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.config, "config", "", "`file` of what is allowed in this folder (default: "+safety.FileName+", if it is there)")
	fs.StringArrayVar(&f.targets, "allow-target", nil, "target beyond loopback that may be sent to: host:port, or host for all its ports; * for any part (repeatable)")
	fs.Float64Var(&f.maxRate, "max-rate", 0, fmt.Sprintf("calls a second that are never exceeded (default: %d beyond loopback, else no cap)", safety.DefaultRate))
}

// registerBudget adds the caps and budgets of commands that have no flags of
// their own for them.
func (f *safetyFlags) registerBudget(fs *pflag.FlagSet) {
	fs.IntVar(&f.maxInFlight, "max-in-flight", 0, fmt.Sprintf("calls at a time that are never exceeded (default: %d beyond loopback)", safety.DefaultInFlight))
	fs.StringVar(&f.stopOn, "stop-on", "", "end the run when too many calls fail, such as 'error_rate > 5% for 10s'")
}

// registerMethods adds the permission to call methods that have effects.
func (f *safetyFlags) registerMethods(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.methods, "allow-method", nil, "method to call beyond loopback although it is not marked NO_SIDE_EFFECTS: pkg.Service/Method, * for any part (repeatable)")
}

// read reads the file and puts it together with the flags.
func (f *safetyFlags) read() error {
	if f.done {
		return nil
	}
	name := f.config
	if name == "" {
		name = safety.FileName
	}
	text, err := os.ReadFile(name)
	switch {
	case errors.Is(err, os.ErrNotExist) && f.config == "":
	case err != nil:
		return withCode(exitFile, fmt.Errorf("--config: %w", err))
	default:
		file, err := safety.ParseFile(name, text)
		if err != nil {
			return err
		}
		f.file = *file
	}
	if !(f.maxRate >= 0) || f.maxInFlight < 0 {
		return usage("--max-rate and --max-in-flight cannot be negative")
	}
	p := &f.file.Policy
	p.Targets, p.Methods = append(p.Targets, f.targets...), append(p.Methods, f.methods...)
	if f.maxRate > 0 {
		p.MaxRate = f.maxRate
	}
	if f.maxInFlight > 0 {
		p.MaxInFlight = f.maxInFlight
	}
	f.rule = f.file.StopOn
	if f.stopOn != "" {
		rule, err := safety.ParseStopRule(f.stopOn)
		if err != nil {
			return usage("--stop-on: " + err.Error())
		}
		f.rule = &rule
	}
	f.done = true
	return nil
}

// judge refuses a target that nothing allows, before anything connects to it.
// "" is the reference server of our own.
func (f *safetyFlags) judge(ctx context.Context, address string) (safety.Target, error) {
	if address == "" {
		return safety.Target{Local: true}, nil
	}
	t, err := f.file.Policy.Judge(ctx, address, resolve)
	if err != nil {
		return t, withCode(exitUsage, err)
	}
	return t, nil
}

// resolve asks the system's resolver, for a moment.
func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// guard returns what holds the caps for a target. stop ends the run.
func (f *safetyFlags) guard(t safety.Target, stop func(error)) *safety.Guard {
	rate, inFlight := f.file.Policy.Caps(t)
	g := safety.NewGuard(rate, inFlight)
	if f.rule != nil {
		g.StopOn(*f.rule, stop)
	}
	return g
}

// admit judges a target and returns what it is, and what holds its caps: the
// same for all connections to an address, nil where there are none.
func (f *safetyFlags) admit(ctx context.Context, address string) (safety.Target, *safety.Guard, error) {
	if f == nil {
		return safety.Target{}, nil, nil
	}
	if err := f.read(); err != nil {
		return safety.Target{}, nil, err
	}
	t, err := f.judge(ctx, address)
	if err != nil {
		return t, nil, err
	}
	rate, inFlight := f.file.Policy.Caps(t)
	if f.guards[address] == nil && (rate > 0 || inFlight > 0) {
		if f.guards == nil {
			f.guards = map[string]*safety.Guard{}
		}
		f.guards[address] = safety.NewGuard(rate, inFlight)
	}
	return t, f.guards[address], nil
}

// permits refuses a rate that a cap which nobody raised would not let pass: the
// figures would be those of the cap.
func (f *safetyFlags) permits(ctx context.Context, address string, rate float64) error {
	if f == nil || rate == 0 || f.maxRate > 0 {
		return nil
	}
	if err := f.read(); err != nil {
		return err
	}
	t, err := f.judge(ctx, address)
	if err != nil {
		return err
	}
	if most, _ := f.file.Policy.Caps(t); most > 0 && rate > most {
		return usage(fmt.Sprintf("--rate %v is above the cap of %v calls a second for %s", rate, most, address),
			fmt.Sprintf("--max-rate %v raises it, if the target takes that much", rate))
	}
	return nil
}

// guarded leads calls through what holds the caps of an admitted address.
func (f *safetyFlags) guarded(address string, via transport.Transport) transport.Transport {
	if f == nil || f.guards[address] == nil {
		return via
	}
	return f.guards[address].Transport(via)
}
