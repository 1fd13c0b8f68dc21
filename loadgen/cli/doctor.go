package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"touchstone/loadgen/doctor"
)

// doctorFlags are the flags of `loadgen doctor`, besides those of the target.
type doctorFlags struct {
	target      targetFlags
	connections int
}

// newDoctorCommand makes `loadgen doctor`.
func newDoctorCommand(e *env) *cobra.Command {
	var flags doctorFlags
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check whether this machine and the way to a target are fit for a run",
		Long: `doctor checks what figures depend on: the clock, how late timers fire, spare CPU,
the limits of open files and local ports. With --target it connects, and checks
TLS, reflection and the round trip. Each line is ok, warn or fail; those that
are not ok say what to do.

Exit codes: 0 nothing failed, 1 something of this machine did, 5 the target is
not there or tells no schema.`,
		Example: `  loadgen doctor
  loadgen doctor --connections 5000
  loadgen doctor --target localhost:50051 --plaintext`,
		Args: takes(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error { return flags.run(c.Context(), e) },
	}
	flags.target.register(c.Flags())
	c.Flags().IntVar(&flags.connections, "connections", 100, "connections that a run is to make")
	return c
}

// run checks the machine, and then the target.
func (f *doctorFlags) run(ctx context.Context, e *env) error {
	found := doctor.Judge(doctor.Machine(ctx), f.connections)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	printFindings(e, found)
	if f.target.address == "" {
		fmt.Fprintln(e.stderr, "note: without --target, only this machine was checked")
		return failing(found, exitFailed)
	}
	of := f.checkTarget(ctx, e)
	printFindings(e, of)
	if err := failing(of, exitTarget); err != nil {
		return err
	}
	return failing(found, exitFailed)
}

// failing returns an exit code when one of the findings is a failure.
func failing(found []doctor.Finding, code int) error {
	if slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Level == doctor.Fail }) {
		return withCode(code, nil)
	}
	return nil
}

func printFindings(e *env, found []doctor.Finding) {
	out := printableText{e.stdout}
	for _, f := range found {
		fmt.Fprintf(out, "%-5s %-11s %s\n", f.Level, f.What, f.Said)
		if f.Hint != "" {
			fmt.Fprintf(out, "      hint: %s\n", f.Hint)
		}
	}
}

// checkTarget returns the findings on the target.
func (f *doctorFlags) checkTarget(ctx context.Context, e *env) []doctor.Finding {
	start := time.Now()
	t, err := f.target.open(ctx, e)
	if err != nil {
		return []doctor.Finding{failure("target", err)}
	}
	defer t.Close()
	out := []doctor.Finding{{Level: doctor.OK, What: "target", Said: fmt.Sprintf("%s, connected in %v", t.Address, time.Since(start).Round(10*time.Microsecond))}}
	out = append(out, f.checkCalls(ctx, t)...)
	return append(out, checkSchema(ctx, t))
}

// failure is the finding of an error, whose hint is its last line.
func failure(what string, err error) doctor.Finding {
	said, hint, _ := strings.Cut(err.Error(), "\nhint: ")
	return doctor.Finding{Level: doctor.Fail, What: what, Said: said, Hint: strings.ReplaceAll(hint, "\nhint: ", "; ")}
}

// checkSchema finds out what the target tells of itself.
func checkSchema(ctx context.Context, t *target) doctor.Finding {
	known, err := t.schema(ctx)
	if err != nil {
		return failure("schema", err)
	}
	methods := 0
	for _, service := range known.Services() {
		methods += service.Methods().Len()
	}
	out := doctor.Finding{Level: doctor.OK, What: "schema", Said: fmt.Sprintf("%d services, %d methods", len(known.Services()), methods)}
	return out
}

// roundTrips is how many calls the round trip is measured by.
const roundTrips = 20

// checkCalls makes a few calls of the health service, whose answer, even if it
// is that there is no such service, shows TLS and the round trip.
func (f *doctorFlags) checkCalls(ctx context.Context, t *target) []doctor.Finding {
	client := grpc_health_v1.NewHealthClient(t.Conn)
	ctx, cancel := context.WithTimeout(ctx, f.target.connectTimeout)
	defer cancel()
	var at peer.Peer
	var took []time.Duration
	var err error
	for range roundTrips {
		start := time.Now()
		_, err = client.Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.Peer(&at))
		if ctx.Err() != nil {
			return []doctor.Finding{failure("round trip", errors.New("no answer within "+f.target.connectTimeout.String()))}
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	trip := doctor.Finding{Level: doctor.OK, What: "round trip", Said: fmt.Sprintf("%v (median of %d)", took[len(took)/2].Round(time.Microsecond), roundTrips)}
	return []doctor.Finding{security(at.AuthInfo, time.Now()), trip, health(err)}
}

// health tells what the health service says.
func health(err error) doctor.Finding {
	out := doctor.Finding{Level: doctor.OK, What: "health", Said: "serving"}
	switch status.Code(err) {
	case codes.OK:
	case codes.Unimplemented:
		out.Said = "the target has no health service"
	default:
		out.Level, out.Said, out.Hint = doctor.Warn, err.Error(), "calls may get the same answer"
	}
	return out
}

// soon is how near the end of a certificate is worth a warning.
const soon = 14 * 24 * time.Hour

// security tells how the connection is secured.
func security(info credentials.AuthInfo, now time.Time) doctor.Finding {
	out := doctor.Finding{Level: doctor.OK, What: "tls"}
	secured, ok := info.(credentials.TLSInfo)
	if !ok {
		out.Said = "none: the connection is in plain text"
		return out
	}
	out.Said = tls.VersionName(secured.State.Version)
	if len(secured.State.PeerCertificates) > 0 {
		leaf := secured.State.PeerCertificates[0]
		out.Said += fmt.Sprintf(", a certificate of %s until %s", leaf.Subject.CommonName, leaf.NotAfter.UTC().Format("2006-01-02"))
		if leaf.NotAfter.Sub(now) < soon {
			out.Level, out.Hint = doctor.Warn, "the certificate is to be renewed soon"
		}
	}
	return out
}
