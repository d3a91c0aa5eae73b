export interface Requirement {
  /** Whose part it is: what the server does is proven by real processes (apps/e2e), the rest where the client is tested. */
  of: 'server' | 'client' | 'both';
  says: string;
}

/** What sharing sessions and trees of agents has to do. Titles of tests carry the numbers of what they hold. */
export const REQUIREMENTS: Record<string, Requirement> = {
  // The source of a share, and the task beside it
  Q01: { of: 'both', says: 'a user’s share says so by a bare word; the task stands beside it' },
  Q02: { of: 'both', says: 'no task named is read as none, and the join succeeds' },
  Q03: { of: 'server', says: 'the task of the share is told to whoever joins' },
  Q04: { of: 'both', says: 'without a task beside it, that of the agent’s variant counts' },
  Q05: { of: 'both', says: 'of both, the one beside it counts' },
  Q06: { of: 'both', says: 'the agent’s variant as a bare word has no task' },
  Q07: { of: 'both', says: 'a viewer of bare words gets one, and the full form beside it' },
  Q08: { of: 'both', says: 'a user’s share with a task turns on nothing that is an agent’s own share’s' },
  Q09: { of: 'both', says: 'every way to share a session with a task names the task' },
  Q10: { of: 'both', says: 'a task that becomes known later is noted, once, and of a user’s share only' },
  Q11: { of: 'both', says: 'and those who have joined hear of it' },
  Q12: { of: 'both', says: 'a session that never has a task names none, and nothing is looked for' },
  Q13: { of: 'server', says: 'a join is on record with the task' },
  // What sharing opens
  Q14: { of: 'server', says: 'a remote agent is shared when it starts' },
  Q15: { of: 'server', says: 'a local one is nobody else’s until it is shared' },
  Q16: { of: 'server', says: 'children that are there are reached through their parent' },
  Q17: { of: 'server', says: 'children that come later are, too' },
  Q18: { of: 'server', says: 'by the parent’s link alone' },
  Q19: { of: 'both', says: 'the link of a child leads to no parent and no sibling' },
  Q20: { of: 'server', says: 'a parent’s link reveals nothing beside what is below it' },
  Q21: { of: 'server', says: 'the role in a child is no higher than that in the parent' },
  Q22: { of: 'both', says: 'controls act on the active session only' },
  Q23: { of: 'both', says: 'a link keeps its scope wherever it is handed' },
  // Children of what is shared
  Q24: { of: 'server', says: 'through a user’s share, a child comes from that user, of its own task' },
  Q25: { of: 'server', says: 'through an agent’s share, from that agent, of its own task' },
  Q26: { of: 'server', says: 'nothing is passed on where nothing, or one session, is shared' },
  Q27: { of: 'server', says: 'it is, once the task of the shared session becomes known' },
  Q28: { of: 'server', says: 'children of before the share are taken in, those with a share of their own keep it' },
  Q29: { of: 'server', says: 'and theirs, at any depth' },
  Q30: { of: 'server', says: 'what is open through a host is told with that host' },
  Q31: { of: 'server', says: 'what was opened through a host ends with it' },
  Q32: { of: 'server', says: 'what was shared by itself does not' },
  Q33: { of: 'server', says: 'nor does a remote child of a local host' },
  Q34: { of: 'both', says: 'nothing is shared twice' },
  // The session of a task
  Q35: { of: 'both', says: 'the session that works on a task is told, once' },
  Q36: { of: 'client', says: 'never by a viewer, for a stand-in, or while task or session are unknown' },
  Q37: { of: 'both', says: 'the same again is told to nobody, another one is' },
  Q38: { of: 'server', says: 'it is taken while the task works, and refused once it has ended' },
  Q39: { of: 'server', says: 'a local task that has ended keeps its session' },
  Q40: { of: 'server', says: 'the same link again changes nothing' },
  // How a viewer finds agents
  Q41: { of: 'client', says: 'a known task starts the search, once, whatever the source' },
  Q42: { of: 'client', says: 'without one there is none' },
  Q43: { of: 'client', says: 'an empty first list ends it for the time being' },
  Q44: { of: 'client', says: 'until something happens in the session: then one more list' },
  Q45: { of: 'client', says: 'each 5 s while one works, each 30 s when all rest' },
  Q46: { of: 'client', says: 'at once when one moves, unless a list is under way' },
  Q47: { of: 'client', says: 'of two lists the newer one counts' },
  Q48: { of: 'client', says: 'a list that fails is asked for again, and nothing is forgotten' },
  Q49: { of: 'client', says: 'the parent is none of its own children' },
  Q50: { of: 'client', says: 'a child appears once, and then only changes' },
  Q51: { of: 'both', says: 'it waits for its session, which it is opened for once' },
  Q52: { of: 'client', says: 'a child that a list leaves out stays' },
  Q53: { of: 'both', says: 'a lost connection forgets nothing, and what was missed follows' },
  Q54: { of: 'both', says: 'one that had ended before is listed and opens, whole' },
  Q55: { of: 'both', says: 'one that never started is listed as failed' },
  Q56: { of: 'client', says: 'one that cannot be shown leaves the others alone' },
  Q57: { of: 'both', says: 'what one viewer selects changes nothing for another' },
  Q58: { of: 'both', says: 'the first child appears to those who came before it' },
  Q59: { of: 'client', says: 'a view inside a view does not search by itself' },
  Q60: { of: 'both', says: 'the link of one child shows no list' },
  Q61: { of: 'both', says: 'the end of a session is of that session only' },
  Q62: { of: 'both', says: 'presence, roles and requests are of the active session' },
  // Names
  Q63: { of: 'both', says: 'agents are called by their names in what is shown' },
  Q64: { of: 'client', says: 'the orchestrator is called so, the unknown are not' },
  Q65: { of: 'client', says: 'children that came first find their parent' },
  Q66: { of: 'both', says: 'names around a child resolve, and nothing opens by that' },
  Q67: { of: 'both', says: 'a name is the name, else the title, else "Agent"' },
};

/** Who is shared of which agents, each from the parent’s and from the child’s side. */
export const TOPOLOGIES = ['T1', 'T2', 'T3', 'T4', 'T5', 'T6', 'T7', 'T8', 'T9'];

/** Requirements that nothing here can hold, and why: only what a window looks like may be left out. */
export const WAIVED: Record<string, 'terminal sizing' | 'window chrome'> = {};
