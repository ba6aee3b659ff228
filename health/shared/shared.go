// Package shared is the contract between the replicas of a service and the store through which
// they share what the platform answered about their token. Package redisstore implements it with
// Redis or Valkey, package sharedtest has a conformance suite and a store in memory.
//
// # What a store keeps
//
// For every key, which stands for one token:
//
//   - the verdict: the last answer that accepted or refused the token,
//   - the trouble: the last answer without a verdict since then, such as an outage or a rate limit,
//   - the lease: whether a replica asks the platform at this moment. Its fence is a number that
//     grows with every lease, also after a loss,
//   - the replicas: roughly how many looked in the last minutes.
//
// The store measures every age with its own clock: the clocks of replicas are never compared. It
// may lose everything at any time, and what it keeps is of no use to its owner: keys tell nothing
// about tokens, and the data of an entry is encrypted and authenticated together with its key,
// its slot and its fence.
//
// A store may round durations up to a millisecond.
package shared

import (
	"context"
	"time"
)

// Store is a store for a fleet. Its methods must be safe for concurrent use and should return
// when ctx ends; a method that does not is abandoned. An error, of whatever kind, only means
// that the replica works on its own until a later call succeeds.
//
// A key has the form toloka:{…}, with letters, digits, - and _ between the braces, and is at most
// 128 bytes long.
type Store interface {
	// Look counts the replica, returns what is stored under key, and takes the lease if q asks
	// for it. All of it is one atomic step.
	Look(ctx context.Context, key string, q Query) (View, error)

	// Put stores an answer under key and ends the lease with its fence, in one atomic step. It
	// stores nothing and returns false if that lease has ended or another one is held. A verdict
	// removes the trouble.
	Put(ctx context.Context, key string, p Answer) (bool, error)
}

// Query is what a replica asks of a [Store].
type Query struct {
	// Replica identifies the replica, for counting them.
	Replica string
	// Lease is how long a lease lasts if it is granted, 0 if none is wanted.
	Lease time.Duration
	// Due is the age from which a verdict is too old. The lease is granted if none is held, and
	//
	//   - there is trouble, and it is at least as old as its pause, or
	//   - there is no trouble, and no verdict that is younger than Due and whose fence is at
	//     least Floor.
	//
	// Trouble with a fence lower than Floor counts as none; it is still returned.
	Due time.Duration
	// Floor is the highest fence that the replica has seen. A granted lease has a higher one,
	// whatever the store has lost. No lease is granted if that fence would be above [MaxFence].
	Floor uint64
}

// View is what a [Store] knows under one key.
type View struct {
	Verdict, Trouble Entry
	// Lease is the fence of the lease that was granted to this replica, 0 if none was.
	Lease uint64
	// Busy is how long the lease that is held lasts at most, 0 if none is held or this Look was
	// granted it.
	Busy time.Duration
	// Replicas is about how many replicas looked within the last three minutes, at least 1. One
	// that is gone counts for up to six minutes.
	Replicas int
}

// Entry is a stored answer. An absent one has the fence 0.
type Entry struct {
	// Fence is that of the lease under which the answer was stored.
	Fence uint64
	// Age is how long ago that lease was granted, by the clock of the store. The request was
	// sent later than that, so that Age is never too short.
	Age time.Duration
	// Pause is the age until which no lease is granted, for trouble.
	Pause time.Duration
	// Data is the sealed answer. A reader gets it as it was put.
	Data []byte
}

// Answer is an answer of the platform to be stored.
type Answer struct {
	// Fence is that of the lease.
	Fence uint64
	// Lease is how long that lease was asked to last, see [Query]. With another duration the age
	// of the entry is wrong.
	Lease time.Duration
	// Trouble says that the answer is no verdict. Its Pause says how long no replica should ask.
	Trouble bool
	Pause   time.Duration
	// Data is the sealed answer, up to [MaxData] bytes.
	Data []byte
}

// MaxData is the length of the longest data that a replica stores, in bytes.
const MaxData = 64 << 10

// MaxFence is the highest fence that a replica accepts. It is the largest integer that Redis'
// scripts compute with exactly.
const MaxFence = 1<<53 - 1

// Retention is how long a store keeps a verdict and trouble, by their ages.
const Retention = 24 * time.Hour

// Stats counts what a replica has done with its store. The zero value is that of a replica
// without one.
type Stats struct {
	// Taken is how many answers of other replicas were used, and Given how many were stored.
	Taken, Given uint64
	// Leases is how many leases were granted to this replica.
	Leases uint64
	// Errors is how many operations failed or took too long.
	Errors uint64
	// Opened is how many entries were read, and Rejected how many were not what a holder of the
	// token stored there: forged, moved, cut, or older than a day.
	Opened, Rejected uint64
	// Mode is "active", or "away" while the store does not answer. It is "" without a store.
	Mode string
	// Replicas is about how many replicas there are, as far as this one knows.
	Replicas int
}
