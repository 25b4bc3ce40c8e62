// Data lies in the page as gzip in base64, in blocks that are unpacked when they are needed.
const MAX_UNPACKED = 60; // blocks kept: some 30 MB
const unpacked = new Map();

function block(name) {
  const kept = unpacked.get(name) ?? unpack(name);
  unpacked.delete(name);
  unpacked.set(name, kept); // now the last to go
  if (unpacked.size > MAX_UNPACKED) unpacked.delete(unpacked.keys().next().value);
  return kept;
}

async function unpack(name) {
  const element = document.getElementById(`block-${name}`);
  if (!element) throw new Error(`This page is damaged: its part "${name}" is missing. Make it again with labgen report.`);
  const stream = new Blob([bytesOf(element.textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

// The item of a series (`rows`, `calls`, `passages`) that has this number.
async function item(stem, number) {
  const size = head.series[stem].size;
  return (await block(`${stem}-${Math.floor(number / size)}`))[number % size];
}

function breath() {
  return new Promise((resolve) => setTimeout(resolve));
}
