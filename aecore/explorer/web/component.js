// The entry in the app: Streamlit calls it with the bytes of a map, anew when they change.

import { Explorer } from "./explorer.js";
import { readTensors } from "./tensors.js";

const models = (globalThis.aecoreModels ??= new Map()); // promises of packs, by their token
const MAX_MODELS = 4;

export default function ({ data, parentElement, setStateValue }) {
  if (!data?.length) return; // called early, so that this code is there when the map comes
  const root = parentElement.querySelector(".explorer-root");
  const explorer = root.explorer ?? new Explorer(root, (selections) => setStateValue("selections", selections));
  const { token } = readTensors(data).meta;
  explorer.setMap(data);
  if (explorer.token !== token) loadModel(explorer, token);
  return () => {
    explorer.destroy();
    delete root.explorer;
  };
}

// Fetch the model that the map needs, once the map is drawn.
async function loadModel(explorer, token) {
  explorer.token = token;
  try {
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))); // the map is on the screen
    const bytes = await getModel(token);
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
