// Two builds side by side.
function comparison() { return []; }
async function twoRows() { return make("p"); }
