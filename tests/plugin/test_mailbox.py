from threading import Thread

from napari_deltamic.plugin.mailbox import Mailbox


def test_only_the_latest_value_is_kept_and_taken_once():
    box: Mailbox[int] = Mailbox()
    assert box.is_empty
    box.put(1)
    box.put(2)
    assert not box.is_empty
    assert box.take() == 2
    assert box.take() is None
    assert box.is_empty


def test_a_fast_writer_and_a_slow_reader_meet_in_order():
    box: Mailbox[int] = Mailbox()
    writer = Thread(target=lambda: [box.put(k) for k in range(1, 20_001)])
    writer.start()
    seen = []
    while writer.is_alive() or not box.is_empty:
        value = box.take()
        if value is not None:
            seen.append(value)
    assert seen == sorted(set(seen))
    assert seen[-1] == 20_000
