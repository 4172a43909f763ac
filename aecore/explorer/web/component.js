// The entry in the app: Streamlit calls it with the bytes of a map, anew when they change.

import { Explorer } from "./explorer.js";
import { readTensors } from "./tensors.js";

const models = (globalThis.aecoreModels ??= new Map()); // promises of packs, by their token
const KEPT = 4;

export default function ({ data, parentElement, setStateValue }) {
  if (!data?.length) return; // called early, so that this code is there when the map comes
  const root = parentElement.querySelector(".explorer-root");
  const explorer = root.explorer ?? new Explorer(root, (selections) => setStateValue("selections", selections));
  const { token } = readTensors(data).meta;
  explorer.setMap(data);
  if (explorer.token !== token) follow(explorer, token);
  return () => {
    explorer.destroy();
    delete root.explorer;
  };
}

// The map is drawn at once; what needs the model follows when that has come.
async function follow(explorer, token) {
  explorer.token = token;
  try {
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done))); // the map is on the screen
    const bytes = await model(token);
    if (explorer.token === token) explorer.setModel(bytes); // else another run was chosen meanwhile
  } catch (error) {
    models.delete(token);
    explorer.said.textContent = error.message;
  }
}

function model(token) {
  const promise = models.get(token) ?? download(token);
  models.delete(token);
  models.set(token, promise);
  if (models.size > KEPT) models.delete(models.keys().next().value);
  return promise;
}

async function download(token) {
  const answer = await fetch(new URL(`explorer/${token}`, location.href.split("?")[0]));
  if (!answer.ok) throw new Error(await answer.text());
  return new Uint8Array(await answer.arrayBuffer());
}
