// Models that a page of the app fetches from its server, once for all maps that show them.

const models = (globalThis.aecoreModels ??= new Map()); // promises of packs, by their token
const MAX_MODELS = 4;

// Fetch the model that the map needs, and use it once the map is drawn.
export async function loadModel(explorer, token) {
  explorer.token = token;
  const drawn = new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))); // the map is on the screen
  try {
    const [bytes] = await Promise.all([getModel(token), drawn]);
    if (explorer.token === token) explorer.setModel(bytes); // else another run was chosen meanwhile
  } catch (error) {
    models.delete(token);
    explorer.status.textContent = error.message;
  }
}

// A promise of a model's pack; the latest few are kept.
function getModel(token) {
  const promise = models.get(token) ?? downloadModel(token);
  models.delete(token);
  models.set(token, promise);
  if (models.size > MAX_MODELS) models.delete(models.keys().next().value);
  return promise;
}

async function downloadModel(token) {
  const response = await fetch(new URL(`explorer/${token}`, location.href.split("?")[0]));
  if (!response.ok) throw new Error(await response.text());
  return new Uint8Array(await response.arrayBuffer());
}
