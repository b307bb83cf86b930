/**
 * Assigns every partition of the group to one member; the others stand by. The present owner keeps them as long as it is a
 * member: its subscription carries the time since when it has them, and the newest claim wins.
 */
import kafkajs, { type GroupMember, type PartitionAssigner } from 'kafkajs'

const VERSION = 1
const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol

/** @param ownedSince Milliseconds since 1970 since when this member has the partitions; 0 if it has none. */
export function singleAssigner(ownedSince: () => number): PartitionAssigner {
  return ({ cluster }) => ({
    name: 'sluice-single',
    version: VERSION,
    protocol({ topics }) {
      const userData = Buffer.alloc(8)
      userData.writeBigInt64BE(BigInt(ownedSince()))
      return { name: 'sluice-single', metadata: MemberMetadata.encode({ version: VERSION, topics, userData }) }
    },
    assign({ members, topics }) {
      const owner = chooseOwner(members)
      const all = Object.fromEntries(
        topics.map((topic) => [topic, cluster.findTopicPartitionMetadata(topic).map((p) => p.partitionId)]),
      )
      return Promise.resolve(
        members.map(({ memberId }) => ({
          memberId,
          memberAssignment: MemberAssignment.encode({
            version: VERSION,
            assignment: memberId === owner ? all : {},
            userData: Buffer.alloc(0),
          }),
        })),
      )
    },
  })
}

/** The member with the newest claim; without a claim, the first by id, so that every leader chooses the same. */
export function chooseOwner(members: readonly GroupMember[]): string | undefined {
  return [...members]
    .map((member) => ({ memberId: member.memberId, since: claimOf(member) }))
    .sort((a, b) => (a.since === b.since ? (a.memberId < b.memberId ? -1 : 1) : a.since > b.since ? -1 : 1))[0]?.memberId
}

function claimOf(member: GroupMember): bigint {
  const userData = MemberMetadata.decode(member.memberMetadata)?.userData
  return userData && userData.length >= 8 ? userData.readBigInt64BE(0) : 0n
}
