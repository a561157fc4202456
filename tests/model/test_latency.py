from model.latency import LatencyLog


def test_summary_has_each_stage_and_their_sum() -> None:
    log = LatencyLog()
    assert log.summary() == {}
    for ms in range(1, 102):
        log.add({"vision": float(ms), "head": 1.0})
    summary = log.summary()
    assert summary["vision"].p50_ms == 51.0
    assert summary["vision"].p95_ms == 96.0
    assert summary["total"].max_ms == 102.0


def test_old_ticks_are_forgotten() -> None:
    log = LatencyLog(kept=2)
    for ms in (100.0, 1.0, 3.0):
        log.add({"vision": ms})
    assert log.summary()["vision"].max_ms == 3.0
