package stream

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Record is one to be sent.
type Record struct {
	Topic string
	// UTF-8 text of the id. The partition is murmur2 of it, as Java's clients choose.
	Key   string
	Value map[string]any
	// Whether exactly one answer with this key is due.
	Answered bool
}

// Producer sends at acks=all, idempotent: what the client repeats by itself stands once.
type Producer struct {
	client    *kgo.Client
	contracts *Contracts
	schemas   map[string]string
	ledger    *Ledger
}

// How long a record may take until it is acknowledged, its repetitions included.
const deliveryTimeout = 30 * time.Second

// NewProducer opens a client of its own; it connects with its first record. Schemas are those of
// topics' values, registered on first use.
func NewProducer(brokers []string, contracts *Contracts, schemas map[string]string, ledger *Ledger) (*Producer, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...),
		kgo.ClientID("millrace-loadtest"),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.RecordDeliveryTimeout(deliveryTimeout),
	)
	if err != nil {
		return nil, fmt.Errorf("kafka at %v: %w", brokers, err)
	}
	return &Producer{client, contracts, schemas, ledger}, nil
}

// Send waits until all replicas have all records, and returns how long that took. With an error
// some may have been taken and others not.
func (p *Producer) Send(ctx context.Context, records []Record) (time.Duration, error) {
	encoded := make([]*kgo.Record, len(records))
	for i, record := range records {
		contract, err := p.contracts.Register(ctx, record.Topic, p.schemas[record.Topic])
		if err != nil {
			return 0, err
		}
		value, err := contract.Encode(record.Value)
		if err != nil {
			return 0, fmt.Errorf("a value for %s: %w", record.Topic, err)
		}
		encoded[i] = &kgo.Record{Topic: record.Topic, Key: []byte(record.Key), Value: value}
	}
	start := time.Now()
	var waiting sync.WaitGroup
	var mu sync.Mutex
	var failure error
	for i, record := range records {
		if record.Answered {
			p.ledger.Sending(record.Key, start)
		}
		waiting.Add(1)
		p.client.Produce(ctx, encoded[i], func(_ *kgo.Record, err error) {
			if record.Answered {
				p.ledger.Settle(record.Key, err)
			}
			if err != nil {
				mu.Lock()
				failure = fmt.Errorf("a record of %s: %w", record.Topic, err)
				mu.Unlock()
			}
			waiting.Done()
		})
	}
	waiting.Wait()
	return time.Since(start), failure
}

// Close lets the connections go.
func (p *Producer) Close() { p.client.Close() }
