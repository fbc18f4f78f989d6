// A backend that takes records off MQTT and believes none of them: each is verified by itself and by its place in its mote's chain, and
// only what holds is printed, a line of JSON for each value. Whatever else comes is one line on stderr.
//
//   npm install chainmote mqtt
//   MQTT_URL=mqtt://broker:1883 node backend.js

import { numericText, Rejection, toHex, verifyRecord } from "chainmote/verify";
import { connect } from "mqtt";

/** The only motes that are listened to, 0x… in lower case; all where there are none. */
const MOTES = (process.env.MOTES ?? "").split(",").filter((mote) => mote !== "");
/** Digest of the newest record, by mote and stream. A real backend keeps these with what it stores. */
const newest = new Map();

// A session that the broker keeps (clean: false) and QoS 1: what comes while this is not running comes later.
const client = connect(process.env.MQTT_URL ?? "mqtt://127.0.0.1:1883", { clientId: "records-backend", clean: false });
client.on("connect", () => client.subscribe("motes/+/records", { qos: 1 }, () => console.error("listening")));
client.on("error", (error) => console.error(`broker: ${error.message}`));

client.on("message", (topic, message) => {
  const record = verifyRecord(message);
  if (record instanceof Rejection) return console.error(`${topic}: refused: ${record}`);
  const { mote, digest, fields, measurements } = record;
  // The signature says whose record it is; the topic is only where it was published.
  if (!topic.endsWith(`/${mote}/records`) || (MOTES.length > 0 && !MOTES.includes(mote)))
    return console.error(`${topic}: not listened to: a record of ${mote}`);
  const stream = `${mote}/${fields.stream}`;
  const before = newest.get(stream);
  if (before === digest) return; // QoS 1 brings a message at least once
  const follows = before === undefined ? undefined : toHex(fields.prev) === before;
  newest.set(stream, digest);
  for (const { name, value, unit, time } of measurements)
    console.log(
      JSON.stringify({
        ...{ mote, seq: fields.seq, name, value: numericText(value), unit, time: Number(numericText(time)) },
        // false: records in between are missing, or it is an old one once more. "chainmote verify" tells, of a whole file.
        follows,
        // The newest block that the mote had verified: it measured after that one was sealed.
        after: fields.head?.number,
      }),
    );
});

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => client.end());
