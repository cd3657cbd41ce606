// The API's page, painted from the gateway's own OpenAPI document.

import { byId, element, getJson } from "./dom.js";

/** A text in whose source `code` stands between backticks. */
const marked = (text) => text.split("`").map((part, place) =>
  place % 2 === 1 ? element("code", {}, part) : part);

/** What a parameter's schema allows, in a few words. */
function allowed(schema) {
  const choices = (schema.anyOf ?? [schema]).filter((one) => one.type !== "null");
  const words = choices.map((one) => one.enum?.join(" | ") ?? one.type ?? "");
  if ((schema.default ?? "") !== "") {
    words.push(`default ${schema.default}`);
  }
  return words.filter(Boolean).join(", ");
}

function parameterRow({ name, in: place, schema, description }) {
  const said = [allowed(schema), description].filter(Boolean).join(". ");
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, name),
    element("td", {}, place),
    element("td", {}, ...marked(said)),
  );
}

function operation(path, method, { summary = "", description = "", parameters = [] }) {
  const verb = element("span", { class: "method" }, method.toUpperCase());
  const card = element(
    "article",
    {},
    element("h2", {}, verb, element("code", {}, path)),
    element("p", {}, ...marked(summary)),
  );
  if (description && description !== summary) card.append(element("p", {}, ...marked(description)));
  if (parameters.length > 0) {
    const rows = element("tbody", {}, ...parameters.map(parameterRow));
    card.append(element("table", {}, rows));
  }
  return card;
}

const api = await getJson("/openapi.json");
byId("description").append(...marked(api.info.description ?? ""));
byId("operations").append(
  ...Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, said]) => operation(path, method, said)),
  ),
);
document.documentElement.dataset.state = "ready";
