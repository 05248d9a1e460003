// A service that takes LiveKit's webhooks with LiveKit's SDK, as its documentation shows. Refuses the first request with 503.
//
// On stdout: a line with its port, then one JSON object for each webhook that the SDK accepts.
import { createServer } from 'node:http';
import { WebhookReceiver } from 'livekit-server-sdk';

const receiver = new WebhookReceiver(process.env.LIVEKIT_API_KEY, process.env.LIVEKIT_API_SECRET);
let requests = 0;

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  requests += 1;
  if (requests === 1) {
    response.writeHead(503).end();
    return;
  }
  try {
    const event = await receiver.receive(Buffer.concat(chunks).toString('utf8'), request.headers.authorization);
    console.log(JSON.stringify({ id: event.id, event: event.event, room: event.room?.name ?? '' }));
    response.writeHead(200).end();
  } catch (error) {
    console.error(String(error));
    response.writeHead(401).end(String(error));
  }
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
