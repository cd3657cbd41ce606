// What every part of the desk knows: the roll call, the members, the words.

import { make } from "./paint.js";

export const desk = { sender: null, members: [], byCode: new Map(), current: null, call: null, index: [], past: [], publication: null };
const words = (await (await fetch("/console/web/words.json")).json()).en;
export const word = (name, filled = {}) => words[name].replace(/\{(\w+)\}/gu, (_, key) => filled[key] ?? "");
export const roll = () => desk.sender.roll;
export const nameOf = (code) => desk.byCode.get(code)?.name ?? code;
export const said = (vote) => word(vote ?? "none");
export const state = (name) => (document.documentElement.dataset.state = name);
export const figures = ({ yes, no, abstain }) => `${yes}-${no}-${abstain}`;
export const paragraph = (text, className = "") => make("p", { textContent: text, className });
export const timeOf = (moment) => new Date(moment).toLocaleTimeString("en-GB");
export const ruleOf = (rule) => (typeof rule === "string" ? rule.replaceAll("_", " ") : JSON.stringify(rule));
