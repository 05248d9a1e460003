"""Run with `python3 -m unittest discover plugins/sdk/python/tests`."""

import json
import logging
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import world  # noqa: E402

world.install()
import urllib.request  # noqa: E402
from urllib.error import HTTPError, URLError  # noqa: E402

import roomwire  # noqa: E402
import roomwire.http  # noqa: E402
from roomwire.webhook import WrongBody, parse  # noqa: E402
from wit_world.imports import livekit as host_livekit  # noqa: E402
from wit_world.imports import effects, event_types  # noqa: E402

FIXTURES = HERE.parents[3] / "crates/testkit/fixtures"


def event(body: str = "{}"):
    attributes = [("final-attempt", "true")]
    return event_types.Event("EV_1", "room_started", "default", None, None, "", 1, 5000, body, attributes)


class Webhooks(unittest.TestCase):
    def test_what_is_newer_than_this_package_passes(self):
        webhook = parse('{"event": "moon_landed", "createdAt": "1795429074", "moon": {"phase": 4}, "participant": '
                        '{"identity": "ada", "kind": "ROBOT", "state": 17, "joinedAt": 1795429074, "wings": [1]}}')
        self.assertEqual((webhook.event, webhook.created_at), ("moon_landed", 1795429074))
        participant = webhook.participant
        self.assertEqual((participant.kind, participant.state, participant.joined_at), ("ROBOT", "17", 1795429074))

    def test_absent_names_mean_the_first_of_their_list(self):
        webhook = parse('{"participant": {}, "track": null}')
        self.assertEqual((webhook.participant.kind, webhook.participant.state), ("STANDARD", "JOINING"))
        self.assertIsNone(webhook.track)

    def test_a_wrong_type_is_said_with_its_field(self):
        for body, field in [('{"createdAt": true}', "createdAt is true"), ('{"event": 1}', "event is 1"),
                            ('{"room": []}', "Room is no object"), ('{"room": {"name": {}}}', "name is {}")]:
            with self.assertRaisesRegex(WrongBody, f"cannot read the webhook's body: {field}"):
                parse(body)

    def test_every_recorded_body_can_be_read(self):
        count = 0
        for name in ["livekit-1.11.0/meeting.jsonl", "livekit-1.11.0/two-rooms-and-abort.jsonl",
                     "livekit-sender-1.54.0-all-types.jsonl"]:
            for line in (FIXTURES / name).read_text().rstrip("\n").split("\n"):
                body = json.loads(line)["body"]
                webhook, plain = parse(body), json.loads(body)
                self.assertEqual((webhook.id, str(webhook.created_at)), (plain["id"], plain["createdAt"]))
                self.assertEqual(webhook.participant is not None, "participant" in plain)
                count += 1
        self.assertGreater(count, 30)


class Handlers(unittest.TestCase):
    def outcome(self, do):
        class Handler(roomwire.Handler):
            def on_event(self, event):
                return do(event)

            def on_check(self):
                do(None)

        return Handler()

    def test_what_is_returned_or_raised_is_the_outcome(self):
        self.assertEqual(self.outcome(lambda _: None).handle(event()), event_types.Outcome_Done())
        skipped = self.outcome(lambda _: roomwire.Skipped("why")).handle(event())
        self.assertEqual(skipped, event_types.Outcome_Skipped("why"))
        for raised, failure in [
            (roomwire.Retry("busy", 50), event_types.Failure_Retry(event_types.RetryHint("busy", 50))),
            (roomwire.Permanent("no"), event_types.Failure_Permanent("no")),
        ]:
            def do(_, raised=raised):
                raise raised

            with self.assertRaises(world.Err) as caught:
                self.outcome(do).handle(event())
            self.assertEqual(caught.exception.value, failure)
            with self.assertRaises(world.Err) as caught:
                self.outcome(do).check()
            self.assertEqual(caught.exception.value, str(raised))

    def test_any_other_exception_stays_one_and_so_is_a_crash(self):
        with self.assertRaises(ZeroDivisionError):
            self.outcome(lambda _: 1 / 0).handle(event())
        with self.assertRaises(ZeroDivisionError):
            self.outcome(lambda _: 1 / 0).check()

    def test_a_body_that_cannot_be_read_is_a_permanent_failure(self):
        with self.assertRaises(world.Err) as caught:
            self.outcome(lambda event: event.webhook).handle(event("[]"))
        self.assertEqual(caught.exception.value.value, "cannot read the webhook's body: Webhook is no object")

    def test_attributes_are_found_by_name(self):
        seen = []
        self.outcome(lambda event: seen.append((event.final_attempt, event.attributes.get("replay")))).handle(event())
        self.assertEqual(seen, [(True, None)])

    def test_only_what_may_pass_is_tried_again(self):
        for answer, kind in [(effects.Error_Denied("no"), roomwire.Permanent), (effects.Error_TooLarge(), roomwire.Permanent),
                             (effects.Error_QuotaExceeded(), roomwire.Permanent), (effects.Error_Other("x"), roomwire.Retry)]:
            world.ANSWER.append(answer)
            with self.assertRaises(kind):
                roomwire.publish("a", "b")
        roomwire.publish("a", "ü", {"h": "v"})
        self.assertEqual(world.PUBLISHED, [effects.Message("a", "ü".encode(), [("h", "v")])])

    def test_loggers_write_to_the_host_with_level_name_and_text(self):
        logging.getLogger("greeter").warning("%s is late", "ada")
        self.assertEqual(world.LOGGED[-1], ("WARN", "greeter", "ada is late"))

    def test_a_required_key_that_is_not_there_is_named(self):
        with self.assertRaisesRegex(roomwire.Permanent, "set `config.subject`"):
            roomwire.require("subject")


class Calls(unittest.TestCase):
    def test_a_request_that_is_sent_later_has_a_method_and_bytes(self):
        roomwire.send("http://a/b", "ü", {"x": "1"})
        self.assertEqual(world.SENT, [effects.Request("POST", "http://a/b", [("x", "1")], "ü".encode())])

    def test_a_secret_that_is_not_granted_is_permanent_and_says_what_to_do(self):
        self.assertEqual(roomwire.secret("TOKEN"), "s3cret")
        with self.assertRaisesRegex(roomwire.Permanent, "add it to the handler's `secrets`"):
            roomwire.secret("OTHER")

    def test_livekit_is_asked_in_json_and_only_what_may_pass_is_tried_again(self):
        answer = roomwire.livekit.call("RoomService", "ListRooms")
        self.assertEqual(answer, {"called": "RoomService/ListRooms", "request": {}})
        for error, permanent, text in [
            (host_livekit.Error_Denied("not granted"), True, "not granted"),
            (host_livekit.Error_Twirp(("not_found", "no room")), True, "A/B: no room (not_found)"),
            (host_livekit.Error_Twirp(("unavailable", "busy")), False, "A/B: busy (unavailable)"),
            (host_livekit.Error_Unavailable("502"), False, "A/B: 502"),
            (host_livekit.Error_Other("no JSON"), True, "A/B: no JSON"),
        ]:
            world.ANSWER.append(error)
            with self.assertRaises(roomwire.livekit.LiveKitError) as caught:
                roomwire.livekit.call("A", "B")
            self.assertEqual((str(caught.exception), caught.exception.permanent), (text, permanent))

    def test_urllib_goes_over_the_host(self):
        request = roomwire.http.Request("https://up/a?b=c", b"x" * 9000, {"x-id": "1"})
        with urllib.request.urlopen(request, timeout=2) as answer:
            self.assertEqual((answer.status, answer.headers["x-asked"]), (200, "/a?b=c"))
            self.assertTrue(answer.read().decode().endswith("9000 ü"))
        with roomwire.http.urlopen("http://up/") as answer:
            self.assertIn("Method_Get Scheme_Http", answer.read().decode())
        with self.assertRaises(HTTPError) as caught, roomwire.http.urlopen("http://up/lost"):
            pass
        self.assertEqual(caught.exception.code, 404)
        caught.exception.close()

    def test_a_request_without_an_answer_says_why_and_whether_another_attempt_may_help(self):
        for url, permanent, text in [
            ("http://denied/x", True, "GET http://denied: http://denied is not granted; add it to the handler's `allow.http`"),
            ("http://gone/x", False, "GET http://gone: connection refused"),
            ("http://short/", False, "GET http://short: http response incomplete"),
        ]:
            with self.assertRaises(URLError) as caught:
                roomwire.http.urlopen(url)
            self.assertEqual((str(caught.exception), caught.exception.permanent), (text, permanent))
        with self.assertRaisesRegex(roomwire.http.RequestFailed, "header `Te` is not allowed"):
            roomwire.http.urlopen(roomwire.http.Request("http://up/", headers={"te": "x"}))

    def test_what_nobody_catches_is_a_failure_of_the_event(self):
        def retry(text, after_ms=None):
            return event_types.Failure_Retry(event_types.RetryHint(text, after_ms))

        for url, failure in [
            ("http://up/lost", event_types.Failure_Permanent("http://up answered 404")),
            ("http://up/busy", retry("http://up answered 503")),
            ("http://up/late", retry("http://up answered 503", 2000)),
            ("http://up/slow", retry("http://up answered 429")),
            ("http://up/round", event_types.Failure_Permanent("http://up answered 302")),
            ("ftp://up/", event_types.Failure_Permanent("unknown url type: ftp")),
            ("http://gone/", retry("GET http://gone: connection refused")),
            ("http://a@up/", event_types.Failure_Permanent(
                "GET http: the URL has a user or a password; set the header `authorization`")),
        ]:
            with self.assertRaises(world.Err) as caught:
                Handlers().outcome(lambda _, url=url: roomwire.http.urlopen(url)).handle(event())
            self.assertEqual(caught.exception.value, failure)


class Keys(unittest.TestCase):
    def setUp(self):
        world.BUCKETS.clear()
        world.BUCKETS["usage"] = {}

    def test_keys_are_set_added_to_listed_and_removed(self):
        bucket = roomwire.Bucket("usage")
        self.assertEqual([bucket.add("n", 2) for _ in range(3)], [2, 4, 6])
        bucket.set("a", "ü")
        self.assertEqual((bucket.get("a"), bucket.get("n"), bucket.get("x")), ("ü".encode(), b"6", None))
        self.assertEqual((list(bucket), "a" in bucket), (["a", "n"], True))
        bucket.delete("a")
        self.assertEqual((list(bucket), "a" in bucket), (["n"], False))

    def test_what_the_host_refuses_is_permanent(self):
        with self.assertRaisesRegex(roomwire.Permanent, "bucket `other` is not granted; add it to the handler's `allow.keyvalue`"):
            roomwire.Bucket("other")
        bucket = roomwire.Bucket("usage")
        bucket.set("n", "many")
        with self.assertRaisesRegex(roomwire.Permanent, "no number"):
            bucket.add("n", 1)


if __name__ == "__main__":
    unittest.main()
