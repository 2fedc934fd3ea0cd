// data: 4 bytes little-endian length, JSON {slot, id}, then the pixels.
const SLOTS = new WeakMap();

export default function carrier({ data, parentElement }) {
  if (!data?.byteLength) return undefined;
  const length = new DataView(data.buffer, data.byteOffset, 4).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(data.subarray(4, 4 + length)));
  SLOTS.set(parentElement, head.slot);
  put(head.slot, head.id, data.slice(4 + length), parentElement);
  return () => {
    // A carrier that was moved on the page was mounted anew before it goes here: what that one put stays.
    const slot = SLOTS.get(parentElement);
    if (store.slots.get(slot)?.owner === parentElement) store.slots.delete(slot);
  };
}
