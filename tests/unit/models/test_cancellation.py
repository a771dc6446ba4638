"""Cancellation: ends waits and closes connections of a call from another thread."""

from __future__ import annotations

import threading

from llmmanager.bedrock.models.deadline import Cancellation, waking


def test_setting_it_ends_a_wait_for_another_event() -> None:
    cancelled, turn = Cancellation(), threading.Event()
    with cancelled.waking(turn):
        cancelled.set()
        assert turn.is_set()


def test_a_wait_that_begins_later_ends_too() -> None:
    cancelled, turn = Cancellation(), threading.Event()
    cancelled.set()
    with cancelled.waking(turn):
        assert turn.is_set()


def test_a_wait_that_is_over_is_not_woken() -> None:
    cancelled, turn = Cancellation(), threading.Event()
    with cancelled.waking(turn):
        pass
    cancelled.set()
    assert not turn.is_set()


def test_only_an_interruption_closes_connections() -> None:
    cancelled = Cancellation()
    closed: list[str] = []
    cancelled.add_closer(lambda: closed.append("first"))
    cancelled.set()
    assert closed == []
    assert not cancelled.is_interrupted
    cancelled.interrupt()
    assert closed == ["first"]
    cancelled.add_closer(lambda: closed.append("opened later"))
    assert closed == ["first", "opened later"]
    assert cancelled.is_set()


def test_a_connection_that_the_call_returned_is_not_closed() -> None:
    cancelled = Cancellation()
    closed: list[str] = []

    def close() -> None:
        closed.append("closed")

    cancelled.add_closer(close)
    cancelled.remove_closer(close)
    cancelled.interrupt()
    assert closed == []


def test_returning_a_connection_waits_while_it_is_being_closed() -> None:
    cancelled = Cancellation()
    closing, may_end = threading.Event(), threading.Event()

    def close() -> None:
        closing.set()
        may_end.wait()

    cancelled.add_closer(close)
    interrupting = threading.Thread(target=cancelled.interrupt)
    interrupting.start()
    closing.wait()
    returning = threading.Thread(target=cancelled.remove_closer, args=(close,))
    returning.start()
    assert returning.is_alive()
    may_end.set()
    returning.join()
    interrupting.join()


def test_other_events_wake_nothing() -> None:
    for event in (threading.Event(), None):
        turn = threading.Event()
        with waking(event, turn):
            if event is not None:
                event.set()
        assert not turn.is_set()
