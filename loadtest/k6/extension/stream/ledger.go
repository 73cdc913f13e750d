// Package stream sends records to Kafka, reads what answers them, and keeps account of both.
package stream

import (
	"sort"
	"sync"
	"time"
)

// Ledger keeps which keys were sent and how often an answer to each was read. It is shared by
// everything in the process; memory is one small entry a key.
type Ledger struct {
	mu      sync.Mutex
	entries map[string]entry
	counts  Counts
}

type entry struct {
	sentAt  time.Time
	state   state
	answers uint32
}

type state uint8

const (
	sending state = iota
	// The broker has it: exactly one answer is due.
	acknowledged
	// The send failed, and the broker may have it or not: an answer may come.
	unsure
)

// Counts is the account: Sent = answered + Missing among those acknowledged.
type Counts struct {
	// Keys whose record was acknowledged by all replicas.
	Sent int64
	// Keys whose send failed: they may be answered once or not at all.
	Unsure int64
	// Keys, sent or unsure, that were answered at least once.
	Answered int64
	// Keys that were acknowledged and have no answer.
	Missing int64
	// Answers beyond the first of their key.
	Doubled int64
	// Answers to keys that were not sent from here.
	Foreign int64
}

// NewLedger returns an empty one.
func NewLedger() *Ledger { return &Ledger{entries: map[string]entry{}} }

// Sending notes that a record is about to be sent: its answer may come before its acknowledgement.
func (l *Ledger) Sending(key string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.entries[key]; !known {
		l.entries[key] = entry{sentAt: at, state: sending}
	}
}

// Settle notes how the send ended; a key that was sent before is the same key.
func (l *Ledger) Settle(key string, failed error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, known := l.entries[key]
	if !known || found.state == acknowledged {
		return
	}
	if found.state == unsure {
		l.counts.Unsure--
	}
	if failed == nil {
		found.state = acknowledged
		l.counts.Sent++
		if found.answers == 0 {
			l.counts.Missing++
		}
	} else {
		found.state = unsure
		l.counts.Unsure++
	}
	l.entries[key] = found
}

// Answer notes an answer that was read; first is whether it is the first to something sent here,
// and latency the time since then.
func (l *Ledger) Answer(key string, at time.Time) (latency time.Duration, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, known := l.entries[key]
	if !known {
		l.counts.Foreign++
		return 0, false
	}
	found.answers++
	l.entries[key] = found
	if found.answers > 1 {
		l.counts.Doubled++
		return 0, false
	}
	l.counts.Answered++
	if found.state == acknowledged {
		l.counts.Missing--
	}
	return at.Sub(found.sentAt), true
}

// Counts returns the account as it is now.
func (l *Ledger) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// Missing names the first keys without an answer, in order, at most limit of them.
func (l *Ledger) Missing(limit int) []string {
	return l.keys(limit, func(e entry) bool { return e.state == acknowledged && e.answers == 0 })
}

// Doubled names the first keys with more than one answer, in order, at most limit of them.
func (l *Ledger) Doubled(limit int) []string {
	return l.keys(limit, func(e entry) bool { return e.answers > 1 })
}

func (l *Ledger) keys(limit int, wanted func(entry) bool) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := []string{}
	for key, e := range l.entries {
		if wanted(e) {
			found = append(found, key)
		}
	}
	sort.Strings(found)
	return found[:min(limit, len(found))]
}
