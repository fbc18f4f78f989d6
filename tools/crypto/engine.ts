// The engine that every tool checks signatures with, named in one place so that another can replace it.

export { fastEngine as engine } from "./engine-fast.js";
