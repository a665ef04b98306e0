// `drover nodes list|retire`: who writes the history, and the end of waiting for a machine that is lost.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("The command nodes")
    struct NodeCommand {
        /// The node of a gateway's journal.
        private static func node(_ gateway: RunningGateway) throws -> String {
            let path = (gateway.environment["DROVER_JOURNAL_DIRECTORY"] ?? "") + "/node-id"
            return try String(contentsOfFile: path, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        }

        @Test func `a lost machine is listed as silent, and nothing waits for it once it is retired`() throws {
            let gateway = try RunningGateway()
            let lost = try RunningGateway(beside: gateway)
            let key = try gateway.key()
            for gateway in [gateway, lost] { try gateway.awaitStores() }
            try gateway.post([TestPing("van-1", at: now() - 60_000)], token: key)
            try lost.post([TestPing("van-1", at: now() - 30_000)], token: key)
            for gateway in [gateway, lost] { try gateway.awaitHistory() }
            let (here, there) = (try Self.node(gateway), try Self.node(lost))
            try eventually("both are known") { try gateway.count("SELECT count(host) FROM ingest_checkpoints") == 2 }
            func lines() throws -> [Substring] {
                let list = try gateway.drover("nodes", "list")
                try #require(list.status == .exited(0), "\(list.output)")
                return list.output.split(separator: "\n")
            }
            let before = try lines()
            #expect(before.count == 2)
            for node in [here, there] {
                let line = try #require(before.first { $0.hasPrefix(node) })
                #expect(line.contains("\t\(ProcessInfo.processInfo.hostName)\trunning\theard "), "\(line)")
                #expect(line.contains("\trecord 1\twritten ") && line.hasSuffix("\terasures 0"), "\(line)")
            }
            let running = try gateway.drover("nodes", "retire", there)
            #expect(running.status == .exited(1))
            #expect(running.output.contains("was heard of") && running.output.contains("--force"), "\(running.output)")
            lost.kill()
            try gateway.sql(
                """
                UPDATE ingest_checkpoints SET heard_at = now() - interval '1 hour', updated_at = now() - interval '1 hour'
                WHERE node_id = $1
                """, [there])
            let waiting = try gateway.drover("erase", "van-1", "--yes", "--wait", "0")
            #expect(waiting.output.contains("waits for the journals of"), "\(waiting.output)")
            let silent = try #require(try lines().first { $0.hasPrefix(there) })
            #expect(silent.contains("\tsilent\t") && silent.hasSuffix("\terasures 1"), "\(silent)")
            let retired = try gateway.drover("nodes", "retire", there)
            #expect(retired.status == .exited(0), "\(retired.output)")
            #expect(retired.output.contains("1 erasure waits for it no longer"), "\(retired.output)")
            #expect(retired.output.contains("in Postgres through record 1"), "\(retired.output)")
            #expect(try lines().count == 1)
            #expect(
                try gateway.sql("SELECT subject FROM api_audit_logs WHERE action = 'node.retire'") == ["node:\(there)"])
            let erased = try gateway.drover("erase", "van-1", "--yes")
            #expect(erased.status == .exited(0), "\(erased.output)")
            #expect(try gateway.rows(of: "van-1") == 0)
            let unknown = try gateway.drover("nodes", "retire", there)
            #expect(unknown.status == .exited(1) && unknown.output.contains("drover nodes list"), "\(unknown.output)")
        }
    }
}
