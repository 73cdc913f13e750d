package stream

import (
	"errors"
	"math/rand"
	"reflect"
	"strconv"
	"testing"
	"time"
)

func TestAnAnswerMayComeBeforeTheAcknowledgement(t *testing.T) {
	ledger := NewLedger()
	start := time.Now()
	ledger.Sending("1", start)
	latency, first := ledger.Answer("1", start.Add(7*time.Millisecond))
	if latency != 7*time.Millisecond || !first {
		t.Errorf("latency %v, first %v", latency, first)
	}
	ledger.Settle("1", nil)
	expect(t, ledger, Counts{Sent: 1, Answered: 1})
}

func TestMissingDoubledAndForeignAnswersAreToldApart(t *testing.T) {
	ledger := NewLedger()
	for _, key := range []string{"once", "twice", "never"} {
		ledger.Sending(key, time.Now())
		ledger.Settle(key, nil)
	}
	for _, key := range []string{"once", "twice", "twice", "of another run"} {
		ledger.Answer(key, time.Now())
	}
	expect(t, ledger, Counts{Sent: 3, Answered: 2, Missing: 1, Doubled: 1, Foreign: 1})
	if found := ledger.Missing(10); !reflect.DeepEqual(found, []string{"never"}) {
		t.Errorf("missing %v", found)
	}
	if found := ledger.Doubled(10); !reflect.DeepEqual(found, []string{"twice"}) {
		t.Errorf("doubled %v", found)
	}
}

func TestAFailedSendMayBeAnsweredOrNotAndSentAgain(t *testing.T) {
	ledger := NewLedger()
	for _, key := range []string{"arrived", "lost", "again"} {
		ledger.Sending(key, time.Now())
		ledger.Settle(key, errors.New("timed out"))
	}
	ledger.Answer("arrived", time.Now())
	expect(t, ledger, Counts{Unsure: 3, Answered: 1})
	ledger.Sending("again", time.Now())
	ledger.Settle("again", nil)
	expect(t, ledger, Counts{Sent: 1, Unsure: 2, Answered: 1, Missing: 1})
}

// The counts, kept step by step, are those that a look at all that happened gives.
func TestCountsEqualARecountWhateverTheOrder(t *testing.T) {
	for seed := int64(0); seed < 300; seed++ {
		random := rand.New(rand.NewSource(seed))
		ledger := NewLedger()
		sent, acked, failed, answers := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]int64{}
		var want Counts
		for step := 0; step < 200; step++ {
			key := strconv.Itoa(random.Intn(20))
			switch random.Intn(4) {
			case 0:
				ledger.Sending(key, time.Now())
				sent[key] = true
			case 1:
				ledger.Settle(key, nil)
				acked[key] = acked[key] || sent[key]
			case 2:
				ledger.Settle(key, errors.New("no"))
				failed[key] = failed[key] || sent[key]
			case 3:
				ledger.Answer(key, time.Now())
				if sent[key] {
					answers[key]++
				} else {
					want.Foreign++
				}
			}
		}
		for key := range sent {
			if acked[key] {
				want.Sent++
			} else if failed[key] {
				want.Unsure++
			}
			if answers[key] > 0 {
				want.Answered++
				want.Doubled += answers[key] - 1
			} else if acked[key] {
				want.Missing++
			}
		}
		expect(t, ledger, want)
	}
}

func expect(t *testing.T, ledger *Ledger, want Counts) {
	t.Helper()
	if found := ledger.Counts(); found != want {
		t.Errorf("counts %+v, not %+v", found, want)
	}
}
