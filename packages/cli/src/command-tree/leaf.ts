/** How a group of commands is put into the tree. */
import type { Command } from 'commander'
import type { CommandImplementation } from '../command.ts'

export interface Leaf {
  readonly load: () => Promise<CommandImplementation>
  readonly endsBySignal?: boolean
}

/** Has a command run its implementation. */
export type AddLeaf = (command: Command, options: Leaf) => Command
