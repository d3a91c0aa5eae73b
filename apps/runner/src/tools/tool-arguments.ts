import { isRecord } from '../cli-drive/cli-output.js';
import { ToolFailure } from './tool-failure.js';
import type { AgentToRun, OutgoingMessage } from './turn-tree.js';

export const maxAgents = 20;
export const maxRecipients = 200;
export const defaultWaitSeconds = 60;
export const maxWaitSeconds = 600;
const maxPromptLength = 262_144;
const maxBodyBytes = 64 * 1024;

/** Of `run_agents`: a list, or one agent without a list around it. Throws ToolFailure. */
export function agentsOf(input: Record<string, unknown>): AgentToRun[] {
  const list = input['agents'] ?? [input];
  if (!Array.isArray(list) || list.length < 1 || list.length > maxAgents) {
    throw invalid(`"agents" must be a list of 1 to ${maxAgents} of {name, prompt, mode}.`);
  }
  return list.map((agent, index) => agentOf(agent, list.length > 1 ? `agents[${index}].` : ''));
}

/** Of `send_message`. Throws ToolFailure. */
export function messageOf(input: Record<string, unknown>): OutgoingMessage {
  const to = typeof input['to'] === 'string' ? [input['to']] : input['to'];
  const isSound = Array.isArray(to) && to.length > 0 && to.length <= maxRecipients && to.every(isFilled);
  if (!isSound) throw invalid(`"to" must name 1 to ${maxRecipients} agents.`);
  const body = text(input, 'body', '');
  if (Buffer.byteLength(body) > maxBodyBytes) throw invalid(`"body" may have ${maxBodyBytes} bytes at most.`);
  const subject = optionalText(input, 'subject', '');
  return { to: to as string[], ...(subject !== undefined && { subject }), body };
}

/** Of `wait_for_messages`, in seconds. Throws ToolFailure. */
export function waitOf(input: Record<string, unknown>): number {
  const seconds = input['timeout_seconds'] ?? defaultWaitSeconds;
  if (typeof seconds === 'number' && seconds >= 0 && seconds <= maxWaitSeconds) return seconds;
  throw invalid(`"timeout_seconds" must be a number from 0 to ${maxWaitSeconds}.`);
}

function agentOf(agent: unknown, where: string): AgentToRun {
  if (!isRecord(agent)) throw invalid(`${where || '"agents"'} must be an object with name, prompt and mode.`);
  const mode = agent['mode'];
  if (mode !== undefined && mode !== 'local' && mode !== 'remote') {
    throw invalid(`"${where}mode" must be 'local' or 'remote'.`);
  }
  const name = text(agent, 'name', where);
  const prompt = text(agent, 'prompt', where);
  if (prompt.length > maxPromptLength)
    throw invalid(`"${where}prompt" may have ${maxPromptLength} characters at most.`);
  const title = optionalText(agent, 'title', where);
  const configured = optionalText(agent, 'agent', where);
  return {
    name,
    prompt,
    ...(mode !== undefined && { mode }),
    ...(title !== undefined && { title }),
    ...(configured !== undefined && { agent: { name: configured } }),
  };
}

function text(input: Record<string, unknown>, field: string, where: string): string {
  const value = input[field];
  if (isFilled(value)) return value;
  throw invalid(`"${where}${field}" must be text that is not empty.`);
}

/** Models often fill in what they do not need with null. */
function optionalText(input: Record<string, unknown>, field: string, where: string): string | undefined {
  return input[field] === undefined || input[field] === null ? undefined : text(input, field, where);
}

function isFilled(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

function invalid(message: string): ToolFailure {
  return new ToolFailure('arguments_invalid', message, 'Correct the arguments and call it again.');
}
