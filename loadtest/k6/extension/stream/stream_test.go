package stream

import (
	"context"
	"encoding/binary"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

const eventSchema = `{"type":"record","name":"Event","fields":[
	{"name":"id","type":"long"},{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
	{"name":"place","type":"string"},{"name":"count","type":"int"},{"name":"share","type":"double"}]}`

const answerSchema = `{"type":"record","name":"Answer","fields":[
	{"name":"id","type":"long"},{"name":"probability","type":"double"},
	{"name":"version","type":["null","string"]},{"name":"feature","type":["null","double"]},
	{"name":"incomplete","type":"boolean"}]}`

type world struct {
	brokers   []string
	registry  *srfake.Registry
	contracts *Contracts
	ledger    *Ledger
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "events", "answers"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	registry := srfake.New()
	t.Cleanup(registry.Close)
	contracts, err := NewContracts(registry.URL())
	if err != nil {
		t.Fatal(err)
	}
	return &world{cluster.ListenAddrs(), registry, contracts, NewLedger()}
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func event(id int64) Record {
	// Numbers as a script gives them: whole ones as int64, also where the field is a double.
	value := map[string]any{"id": id, "at": int64(1_700_000_000_000), "place": "ATL", "count": int64(7), "share": int64(1)}
	return Record{Topic: "events", Key: strconv.FormatInt(id, 10), Value: value, Answered: true}
}

func TestARecordStandsInConfluentsFramingWithTheIdAsItsKey(t *testing.T) {
	w, ctx := newWorld(t), deadline(t)
	producer, err := NewProducer(w.brokers, w.contracts, map[string]string{"events": eventSchema}, w.ledger)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if _, err := producer.Send(ctx, []Record{event(1), event(4711)}); err != nil {
		t.Fatal(err)
	}
	expect(t, w.ledger, Counts{Sent: 2, Missing: 2})
	subject, found := w.registry.GetSchema("events-value", 1)
	if !found {
		t.Fatal("nothing was registered under events-value")
	}
	consumer, _ := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.ConsumeTopics("events"))
	defer consumer.Close()
	records := map[string]*kgo.Record{}
	for len(records) < 2 {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(record *kgo.Record) { records[string(record.Key)] = record })
	}
	value := records["4711"].Value
	if value[0] != 0 || int(binary.BigEndian.Uint32(value[1:])) != subject.ID {
		t.Errorf("framing % x, schema id %d", value[:5], subject.ID)
	}
	back, err := w.contracts.Decode(ctx, value)
	if err != nil {
		t.Fatal(err)
	}
	if back["id"] != int64(4711) || back["place"] != "ATL" || back["count"] != int32(7) || back["share"] != 1.0 {
		t.Errorf("read back %v", back)
	}
	// As partitionOf of schemas/murmur2.ts has it.
	if of4711, of1 := records["4711"].Partition, records["1"].Partition; of4711 != 2 || of1 != 3 {
		t.Errorf("partitions %d and %d", of4711, of1)
	}
}

func TestAValueThatDoesNotFitIsRefusedBeforeAnythingIsSent(t *testing.T) {
	w, ctx := newWorld(t), deadline(t)
	producer, err := NewProducer(w.brokers, w.contracts, map[string]string{"events": eventSchema}, w.ledger)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	bad := event(2)
	bad.Value["count"] = "seven"
	if _, err := producer.Send(ctx, []Record{event(1), bad}); err == nil || !strings.Contains(err.Error(), "events") {
		t.Errorf("error %v", err)
	}
	expect(t, w.ledger, Counts{})
}

func TestASendThatFailsIsUnsureAndNotMissing(t *testing.T) {
	w := newWorld(t)
	producer, err := NewProducer(w.brokers, w.contracts, map[string]string{"events": eventSchema}, w.ledger)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := w.contracts.Register(ctx, "events", eventSchema); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := producer.Send(ctx, []Record{event(1)}); err == nil {
		t.Error("no error")
	}
	expect(t, w.ledger, Counts{Unsure: 1})
}

func TestOnlyCommittedAnswersCountFromTheEndOfTheTopicOn(t *testing.T) {
	w, ctx := newWorld(t), deadline(t)
	answer(t, w, true, "before")
	reader, err := OpenReader(ctx, w.brokers, "answers", w.contracts, w.ledger)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for _, key := range []string{"1", "2", "3", "aborted"} {
		w.ledger.Sending(key, time.Now())
		w.ledger.Settle(key, nil)
	}
	answer(t, w, false, "aborted", "1")
	answer(t, w, true, "1", "2", "stranger", "2")
	answer(t, w, true, "end")
	var all Seen
	for all.Records < 5 {
		seen, err := reader.Look(ctx, 100*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		all.Records += seen.Records
		all.Latencies = append(all.Latencies, seen.Latencies...)
		all.Fallbacks += seen.Fallbacks
		all.Incomplete += seen.Incomplete
	}
	expect(t, w.ledger, Counts{Sent: 4, Answered: 2, Missing: 2, Doubled: 1, Foreign: 2})
	// Key "1" is answered by a model, "2" by a fallback and incomplete.
	if all.Records != 5 || len(all.Latencies) != 2 || all.Fallbacks != 1 || all.Incomplete != 1 {
		t.Errorf("seen %+v", all)
	}
}

func TestATopicThatIsNotThereIsNamed(t *testing.T) {
	w := newWorld(t)
	_, err := OpenReader(deadline(t), w.brokers, "answer", w.contracts, w.ledger)
	if err == nil || !strings.Contains(err.Error(), "topic answer") {
		t.Errorf("error %v", err)
	}
}

// answer writes answers to keys in one transaction, and commits or aborts it.
func answer(t *testing.T, w *world, commit bool, keys ...string) {
	t.Helper()
	ctx := deadline(t)
	contract, err := w.contracts.Register(ctx, "answers", answerSchema)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.TransactionalID("answers"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		var version any = "v1"
		if key == "2" {
			version = nil
		}
		value, err := contract.Encode(map[string]any{"id": int64(1), "probability": 0.5, "version": version, "feature": 2.5, "incomplete": key == "2"})
		if err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: "answers", Key: []byte(key), Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.EndTransaction(ctx, kgo.TransactionEndTry(commit)); err != nil {
		t.Fatal(err)
	}
}
