// Data lies in the page as gzip in base64, in blocks that are unpacked when they are needed, and once.
const unpacked = new Map();

function block(name) {
  if (!unpacked.has(name)) unpacked.set(name, unpack(name));
  return unpacked.get(name);
}

async function unpack(name) {
  const element = document.getElementById(`block-${name}`);
  if (!element) throw new Error(`This page is damaged: its block ${name} is missing.`);
  const packed = Uint8Array.from(atob(element.textContent), (char) => char.charCodeAt(0));
  element.remove();
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}
