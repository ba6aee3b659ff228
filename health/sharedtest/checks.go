package sharedtest

type check struct {
	name string
	run  func(f *fleet)
	long bool // takes minutes or hours
}

var checks = []check{
	{name: "empty_store", run: empty},
	{name: "lease_is_granted_once", run: leaseGrantedOnce},
	{name: "lease_is_granted_to_one_of_64", run: leaseOneOf64},
	{name: "lease_that_is_not_wanted", run: leaseNotWanted},
	{name: "lease_ends_by_itself", run: leaseEnds},
	{name: "lease_lasts_as_long_as_asked", run: leaseLasts, long: true},
	{name: "lease_ends_with_the_answer", run: leaseEndsWithAnswer},

	{name: "verdict_is_returned", run: verdictReturned},
	{name: "verdict_is_due", run: verdictDue},
	{name: "verdict_under_the_floor_is_due", run: verdictUnderFloor},
	{name: "verdict_replaces_verdict", run: verdictReplaces},
	{name: "verdict_removes_trouble", run: verdictRemovesTrouble},
	{name: "verdict_is_kept_for_a_day", run: verdictRetention, long: true},
	{name: "trouble_is_returned_with_the_verdict", run: troubleReturned},
	{name: "trouble_pauses_all_replicas", run: troublePauses},
	{name: "trouble_after_its_pause_is_due", run: troubleAfterPause},
	{name: "trouble_under_the_floor_does_not_pause", run: troubleUnderFloor},
	{name: "trouble_replaces_trouble", run: troubleReplaces},
	{name: "trouble_is_kept_for_a_day", run: troubleRetention, long: true},
	{name: "age_starts_with_the_lease", run: ageStartsWithLease},
	{name: "age_is_never_too_short", run: ageNeverTooShort},

	{name: "fences_grow", run: fencesGrow},
	{name: "fences_grow_when_leases_end_by_themselves", run: fencesGrowWithoutAnswers},
	{name: "fence_is_above_the_floor", run: fenceAboveFloor},
	{name: "fence_is_at_most_MaxFence", run: fenceAtMostMax},
	{name: "put_without_a_lease", run: putWithoutLease},
	{name: "put_with_another_fence", run: putOtherFence},
	{name: "put_twice", run: putTwice},
	{name: "put_after_the_lease", run: putAfterLease},
	{name: "put_after_the_next_lease", run: putAfterNextLease},
	{name: "clear_removes_everything", run: clearRemoves},
	{name: "clear_ends_the_lease", run: clearEndsLease},
	{name: "put_after_clear_and_the_next_lease", run: putAfterClear},

	{name: "data_is_returned_exactly", run: dataExact},
	{name: "data_belongs_to_its_caller", run: dataOwned},
	{name: "keys_do_not_mix", run: keysApart},
	{name: "replicas_are_counted", run: replicasCounted},
	{name: "replicas_are_counted_for_each_key", run: replicasOfKey},
	{name: "replicas_are_forgotten", run: replicasForgotten, long: true},
	{name: "ended_context_is_an_error", run: endedContext},
	{name: "concurrent_replicas", run: concurrent},
}
