"""Participants with WebRTC: the Python package `livekit`."""

import asyncio

from livekit import rtc

from livekit_api import join_token

RATE = 48000


async def enter(url, room, identity):
    """Somebody who has joined and speaks (ten milliseconds of silence, again and again)."""
    connection = rtc.Room()
    await connection.connect(url.replace("http", "ws", 1), join_token(room, identity))
    source = rtc.AudioSource(RATE, 1)
    track = rtc.LocalAudioTrack.create_audio_track("mic", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await connection.local_participant.publish_track(track, options)
    speaking = asyncio.create_task(speak(source))
    return connection, speaking


async def speak(source):
    frame = rtc.AudioFrame.create(RATE, 1, RATE // 100)
    while True:
        await source.capture_frame(frame)


async def leave(participant):
    connection, speaking = participant
    speaking.cancel()
    await connection.disconnect()
