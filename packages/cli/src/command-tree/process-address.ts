import { type Command, Option } from 'commander'
import { portNumber } from './option-values.ts'

/** Where a running process answers. */
export function addProcessAddress(command: Command, { isRequired }: { readonly isRequired: boolean }): Command {
  const what = isRequired ? 'its health port' : 'health port of a process whose engines are asked too'
  const port = new Option('--health-port <port>', what).argParser(portNumber).env('SLUICE_HEALTH_PORT')
  return command
    .addOption(isRequired ? port.makeOptionMandatory() : port)
    .addOption(new Option('--health-host <host>', 'its address').default('127.0.0.1').env('SLUICE_HEALTH_HOST'))
}
