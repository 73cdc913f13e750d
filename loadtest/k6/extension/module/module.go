// Package module is k6/x/millrace: what a script needs to load a Millrace topology over Kafka.
package module

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/grafana/sobek"
	"go.k6.io/k6/js/common"
	"go.k6.io/k6/js/modules"

	"millrace.dev/loadtest/k6/stream"
)

// Garbage of a generator that is collected seldom: where it shares cores with what it measures,
// collecting costs the latter time.
const gcPercent = 400

func init() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	modules.Register("k6/x/millrace", &root{
		ledger:    stream.NewLedger(),
		contracts: map[string]*stream.Contracts{},
		producers: map[string]*stream.Producer{},
	})
}

// root is shared by all VUs: one ledger, one reader, one set of schemas a registry, one producer.
type root struct {
	ledger    *stream.Ledger
	mu        sync.Mutex
	contracts map[string]*stream.Contracts
	producers map[string]*stream.Producer
	reader    *stream.Reader
}

// instance is the module as one VU sees it.
type instance struct {
	root *root
	vu   modules.VU
}

// Servers says where records go.
type Servers struct {
	Brokers  []string
	Registry string
}

// NewModuleInstance is called once a VU.
func (r *root) NewModuleInstance(vu modules.VU) modules.Instance { return &instance{r, vu} }

// Exports gives what modules.d.ts declares.
func (i *instance) Exports() modules.Exports {
	return modules.Exports{Named: map[string]any{
		"Producer":     i.newProducer,
		"expectAnswer": i.expectAnswer,
		"settle":       i.settle,
		"follow":       i.follow,
		"look":         i.look,
		"account":      i.account,
	}}
}

func (r *root) contractsOf(registry string) (*stream.Contracts, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if found := r.contracts[registry]; found != nil {
		return found, nil
	}
	made, err := stream.NewContracts(registry)
	if err == nil {
		r.contracts[registry] = made
	}
	return made, err
}

// producerOf gives the one client of these servers and schemas: as in a service that sends, what comes while a
// request is under way goes with the next one.
func (r *root) producerOf(servers Servers, schemas map[string]string) (*stream.Producer, error) {
	contracts, err := r.contractsOf(servers.Registry)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// Maps are printed in the order of their keys.
	place := fmt.Sprintf("%q %q", servers, schemas)
	if found := r.producers[place]; found != nil {
		return found, nil
	}
	made, err := stream.NewProducer(servers.Brokers, contracts, schemas, r.ledger)
	if err == nil {
		r.producers[place] = made
	}
	return made, err
}

// newProducer: new Producer({ brokers, registry }, schemas), a client that all VUs share.
func (i *instance) newProducer(call sobek.ConstructorCall) *sobek.Object {
	runtime := i.vu.Runtime()
	var servers Servers
	if err := runtime.ExportTo(call.Argument(0), &servers); err != nil {
		common.Throw(runtime, fmt.Errorf("new Producer({ brokers, registry }): %w", err))
	}
	var schemas map[string]string
	if err := runtime.ExportTo(call.Argument(1), &schemas); err != nil {
		common.Throw(runtime, fmt.Errorf("new Producer(servers, { topic: schema }): %w", err))
	}
	producer, err := i.root.producerOf(servers, schemas)
	if err != nil {
		common.Throw(runtime, err)
	}
	object := runtime.NewObject()
	must(runtime, object.Set("send", func(records []stream.Record) (float64, error) {
		took, err := producer.Send(i.vu.Context(), records)
		return milliseconds(took), err
	}))
	return object
}

// expectAnswer(key) notes a record that is about to be sent by other means than a Producer.
func (i *instance) expectAnswer(key string) { i.root.ledger.Sending(key, time.Now()) }

var errUnsure = errors.New("not acknowledged")

// settle(key, acknowledged) notes how that ended.
func (i *instance) settle(key string, acknowledged bool) {
	if acknowledged {
		i.root.ledger.Settle(key, nil)
	} else {
		i.root.ledger.Settle(key, errUnsure)
	}
}

// follow({ brokers, registry }, topic) reads from here on what is committed to the topic.
func (i *instance) follow(servers Servers, topic string) error {
	contracts, err := i.root.contractsOf(servers.Registry)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(i.vu.Context(), 30*time.Second)
	defer cancel()
	reader, err := stream.OpenReader(ctx, servers.Brokers, topic, contracts, i.root.ledger)
	if err != nil {
		return err
	}
	i.root.mu.Lock()
	defer i.root.mu.Unlock()
	if i.root.reader != nil {
		i.root.reader.Close()
	}
	i.root.reader = reader
	return nil
}

// look(ms) waits at most that long and says what came.
func (i *instance) look(wait float64) (map[string]any, error) {
	i.root.mu.Lock()
	reader := i.root.reader
	i.root.mu.Unlock()
	if reader == nil {
		return nil, fmt.Errorf("look: call follow in setup first")
	}
	seen, err := reader.Look(i.vu.Context(), time.Duration(wait*float64(time.Millisecond)))
	if err != nil {
		return nil, err
	}
	latencies := make([]float64, len(seen.Latencies))
	for at, latency := range seen.Latencies {
		latencies[at] = milliseconds(latency)
	}
	return map[string]any{
		"records":    seen.Records,
		"latencies":  latencies,
		"fallbacks":  seen.Fallbacks,
		"incomplete": seen.Incomplete,
	}, nil
}

// Keys that the account names of each kind.
const namedKeys = 10

// account() says of every key sent whether it was answered once.
func (i *instance) account() map[string]any {
	counts := i.root.ledger.Counts()
	return map[string]any{
		"sent":        counts.Sent,
		"unsure":      counts.Unsure,
		"answered":    counts.Answered,
		"missing":     counts.Missing,
		"doubled":     counts.Doubled,
		"foreign":     counts.Foreign,
		"missingKeys": i.root.ledger.Missing(namedKeys),
		"doubledKeys": i.root.ledger.Doubled(namedKeys),
	}
}

func milliseconds(duration time.Duration) float64 {
	return float64(duration) / float64(time.Millisecond)
}

func must(runtime *sobek.Runtime, err error) {
	if err != nil {
		common.Throw(runtime, err)
	}
}
