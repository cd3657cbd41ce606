// A subscriber in node, as docs/subscribing.md shows it: writes a line for each item.
//
//   node subscriber.mjs MODULE GATEWAY tally|events [AFTER EPOCH]

const [module, gateway, feed, after, epoch] = process.argv.slice(2);
const { events, subscribe } = await import(module);
const options = {
  onState: ({ name }) => console.log(JSON.stringify({ state: name })),
  onRestart: (restart) => console.log(JSON.stringify({ restart })),
  ...(after === undefined ? {} : { after: Number(after), epoch }),
};
const items =
  feed === "events" ? events(gateway, options) : subscribe(gateway, options);
for await (const item of items) console.log(JSON.stringify(item));
