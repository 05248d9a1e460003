// LiveKit's own Express receiver, as its guide shows it, that publishes each event to JetStream and answers when it is
// acknowledged. The benchmark compares Roomwire's receiver with it.
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import express from "express";
import { WebhookReceiver } from "livekit-server-sdk";

const { NATS_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET } = process.env;
const js = jetstream(await connect({ servers: NATS_URL }));
const receiver = new WebhookReceiver(LIVEKIT_API_KEY, LIVEKIT_API_SECRET);

const app = express();
app.use(express.raw({ type: "application/webhook+json" }));
app.post("/livekit", async (request, response) => {
  let event;
  try {
    event = await receiver.receive(request.body.toString("utf8"), request.get("Authorization"));
  } catch (error) {
    response.status(401).send(String(error));
    return;
  }
  try {
    await js.publish(`bench.ev.${event.event}`, request.body, { msgID: event.id });
    response.status(200).end();
  } catch (error) {
    response.status(503).send(String(error));
  }
});

const server = app.listen(0, "127.0.0.1", () => console.log(`listening on 127.0.0.1:${server.address().port}`));
