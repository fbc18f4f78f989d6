// A Node-RED node that believes no record by its topic: what comes in is a record as an MQTT node gives it (output "a Buffer"); out of its first
// output come the values of one whose signature holds, out of its second what does not, and why.
//
//   cd ~/.node-red && npm install chainmote /path/to/this/folder

/** Streams whose newest record is remembered; of the one that was heard least lately it is forgotten. */
const STREAMS_MAX = 10_000;

module.exports = (RED) => {
  const library = import("chainmote/verify");

  function ChainmoteVerify(config) {
    RED.nodes.createNode(this, config);
    /** The only motes that are let through, 0x…; all where there are none. */
    const motes = (config.motes ?? "")
      .toLowerCase()
      .split(/[\s,]+/)
      .filter((mote) => mote !== "");
    /** Digest of the newest record, by mote and stream. */
    const newest = new Map();

    this.on("input", async (msg, send, done) => {
      try {
        const { numericText, Rejection, toHex, verifyRecord } = await library;
        const refuse = (code, detail) => {
          this.status({ fill: "red", shape: "dot", text: code });
          send([null, { ...msg, error: { code, detail } }]);
          done();
        };
        if (!(msg.payload instanceof Uint8Array)) return refuse("payload-type", "the payload is no Buffer");
        const record = verifyRecord(new Uint8Array(msg.payload));
        if (record instanceof Rejection) return refuse(record.code, record.detail);
        const { mote, digest, fields, measurements } = record;
        if (motes.length > 0 && !motes.includes(mote)) return refuse("mote-not-allowed", mote);
        const stream = `${mote}/${fields.stream}`;
        const before = newest.get(stream);
        if (before === digest) return done(); // QoS 1 brings a message at least once
        newest.delete(stream);
        newest.set(stream, digest);
        if (newest.size > STREAMS_MAX) newest.delete(newest.keys().next().value);
        const values = measurements.map(({ name, value, unit, time, relative }) => ({
          ...{ name, value: Number(numericText(value)), unit, time: relative ? undefined : Number(numericText(time)) },
        }));
        // `follows`: false where records in between are missing. `after`: the newest block that the mote says it had verified.
        const follows = before === undefined ? undefined : toHex(fields.prev) === before;
        this.status({ fill: "green", shape: "dot", text: `${mote.slice(0, 6)}… seq ${fields.seq}` });
        const place = { mote, stream: fields.stream, seq: fields.seq, digest };
        send([{ ...msg, payload: { ...place, follows, after: fields.head?.number, values } }, null]);
        done();
      } catch (error) {
        done(error);
      }
    });
  }

  RED.nodes.registerType("chainmote-verify", ChainmoteVerify);
};
