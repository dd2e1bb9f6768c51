// ponder wants a server; nobody asks it anything but /ready.
import { Hono } from "hono";

export default new Hono();
