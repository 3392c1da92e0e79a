from driftpin.agent.git_state import GitLock
from driftpin.agent.schedule import Resolve, Schedule, Wait

LOCK = GitLock(1, 1)


def running_schedule() -> Schedule:
    schedule = Schedule(0.0)
    assert schedule.next_step(0.0, None) == Resolve()
    schedule.begin_pass(0.0)
    return schedule


def test_the_first_pass_is_due_at_once() -> None:
    assert Schedule(5.0).next_step(5.0, None) == Resolve()


def test_without_a_signal_the_next_pass_is_the_rescan() -> None:
    schedule = running_schedule()
    assert schedule.next_step(1.0, None) == Wait(30.0)
    assert schedule.next_step(30.0, None) == Resolve()


def test_a_signal_waits_until_the_workspace_is_quiet() -> None:
    schedule = running_schedule()
    schedule.signal(1.0)
    schedule.signal(1.2)
    assert schedule.next_step(1.2, None) == Wait(1.45)
    assert schedule.next_step(1.45, None) == Resolve()


def test_steady_change_still_gives_a_pass_every_two_seconds() -> None:
    schedule = running_schedule()
    passes = []
    for tick in range(640):
        now_s = 1.0 + tick / 64
        schedule.signal(now_s)
        if schedule.next_step(now_s, None) == Resolve():
            schedule.begin_pass(now_s)
            passes.append(now_s)
    assert passes == [3.0, 5.015625, 7.03125, 9.046875]


def test_a_signal_during_a_pass_needs_another_pass() -> None:
    schedule = running_schedule()
    schedule.signal(1.0)
    schedule.begin_pass(1.25)
    schedule.signal(1.3)
    assert schedule.next_step(1.3, None) == Wait(1.55)


def test_a_request_is_not_debounced() -> None:
    schedule = running_schedule()
    schedule.signal(1.0)
    schedule.ask()
    assert schedule.next_step(1.0, None) == Resolve()
    schedule.begin_pass(1.0)
    assert schedule.next_step(1.0, None) == Wait(31.0)


def test_a_pass_waits_while_git_holds_its_index() -> None:
    schedule = running_schedule()
    schedule.ask()
    assert schedule.next_step(1.0, LOCK) == Wait(1.1)
    assert schedule.next_step(1.1, None) == Resolve()


def test_the_wait_for_git_ends_after_ten_seconds() -> None:
    schedule = running_schedule()
    schedule.ask()
    assert schedule.next_step(1.0, LOCK) == Wait(1.1)
    assert schedule.next_step(10.95, LOCK) == Wait(11.0)
    assert schedule.next_step(11.0, LOCK) == Resolve()


def test_a_lock_left_behind_by_a_dead_git_holds_up_one_pass_only() -> None:
    schedule = running_schedule()
    schedule.ask()
    schedule.next_step(1.0, LOCK)
    schedule.next_step(11.0, LOCK)
    schedule.begin_pass(11.0)
    schedule.ask()
    assert schedule.next_step(12.0, LOCK) == Resolve()
    assert schedule.next_step(12.0, GitLock(2, 2)) == Wait(12.1)


def test_x49_what_was_read_while_git_took_its_lock_is_read_again() -> None:
    schedule = running_schedule()
    assert schedule.holds_back(1.0, LOCK)
    assert schedule.next_step(1.0, LOCK) == Wait(1.1)
    assert schedule.next_step(1.1, None) == Resolve()
    schedule.begin_pass(1.1)
    assert not schedule.holds_back(1.2, None)
    assert schedule.next_step(1.2, None) == Wait(31.1)


def test_x49_a_lock_that_was_outlasted_holds_nothing_back() -> None:
    schedule = running_schedule()
    schedule.ask()
    schedule.next_step(1.0, LOCK)
    assert schedule.next_step(11.0, LOCK) == Resolve()
    schedule.begin_pass(11.0)
    assert not schedule.holds_back(11.1, LOCK)


def test_x49_locks_that_come_and_go_hold_no_state_back_for_longer_than_one() -> None:
    schedule = running_schedule()
    held_back = [schedule.holds_back(float(tick), GitLock(tick, tick)) for tick in range(1, 13)]
    assert held_back == [True] * 10 + [False, True]
