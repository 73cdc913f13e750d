package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Reader reads the answers that are committed to a topic after it was opened.
type Reader struct {
	client    *kgo.Client
	contracts *Contracts
	ledger    *Ledger
}

// Seen is what one look found.
type Seen struct {
	// Records, first answers or not.
	Records int
	// From sending to reading, of first answers to what was sent here.
	Latencies []time.Duration
	// Of these, without a model version: a fallback answered.
	Fallbacks int
	// Of these, marked incomplete: live mode did not wait for a feature.
	Incomplete int
}

// OpenReader finds where the topic ends now: nothing that is committed later is passed over.
func OpenReader(ctx context.Context, brokers []string, topic string, contracts *Contracts, ledger *Ledger) (*Reader, error) {
	from, err := ends(ctx, brokers, topic)
	if err != nil {
		return nil, fmt.Errorf("topic %s at %v: %w", topic, brokers, err)
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...),
		kgo.ClientID("millrace-loadtest-reader"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
	)
	if err != nil {
		return nil, err
	}
	return &Reader{client, contracts, ledger}, nil
}

func ends(ctx context.Context, brokers []string, topic string) (map[int32]kgo.Offset, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	listed, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	if err := listed.Error(); err != nil {
		return nil, err
	}
	from := map[int32]kgo.Offset{}
	listed.Each(func(end kadm.ListedOffset) { from[end.Partition] = kgo.NewOffset().At(end.Offset) })
	if len(from) == 0 {
		return nil, fmt.Errorf("it has no partitions")
	}
	return from, nil
}

// Look waits at most that long for records, and notes them in the ledger.
func (r *Reader) Look(ctx context.Context, wait time.Duration) (Seen, error) {
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	fetches := r.client.PollFetches(limited)
	at := time.Now()
	var seen Seen
	for _, failed := range fetches.Errors() {
		if limited.Err() == nil {
			return seen, fmt.Errorf("topic %s, partition %d: %w", failed.Topic, failed.Partition, failed.Err)
		}
	}
	var failure error
	fetches.EachRecord(func(record *kgo.Record) {
		seen.Records++
		latency, first := r.ledger.Answer(string(record.Key), at)
		if !first || failure != nil {
			return
		}
		fields, err := r.contracts.Decode(ctx, record.Value)
		if err != nil {
			failure = fmt.Errorf("topic %s, partition %d, offset %d: %w", record.Topic, record.Partition, record.Offset, err)
			return
		}
		seen.Latencies = append(seen.Latencies, latency)
		if fields["version"] == nil {
			seen.Fallbacks++
		}
		if fields["incomplete"] == true {
			seen.Incomplete++
		}
	})
	return seen, failure
}

// Close lets the connections go.
func (r *Reader) Close() { r.client.Close() }
