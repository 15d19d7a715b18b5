/** The box in the home. Nothing outside imports it: it is started as a process and meets the others in bytes. */
export { main } from './main.js';
