import Testing
import Tracking

@testable import Gateway

/// What is made of a platform's claims: pure, so every form and every refusal is tried.
@Suite("Claims of a platform") struct ClaimTests {
    private func claims(_ json: String, names: [String: String] = [:]) throws -> Claims {
        guard case .object(let members) = try #require(JSONDocument(json)) else { throw NoObject() }
        return Claims(members, names: names)
    }

    private struct NoObject: Error {}

    @Test func `a claim is found by Drover's name, by the platform's, and inside objects`() throws {
        let claims = try claims(
            #"{"user_id":"u1","passport":{"user":{"role":"rider"}},"none":null,"empty":""}"#,
            names: ["user": "user_id", "role": "passport.user.role"])
        #expect(claims.text("user") == "u1")
        #expect(claims.text("user_id") == "u1")
        #expect(claims.text("role") == "rider")
        #expect(claims["none"] == nil)
        #expect(claims.text("empty") == nil)
        #expect(claims.text("driver") == nil)
    }

    @Test func `a number is an id only as long as it is exact`() throws {
        let claims = try claims(#"{"a":42,"b":9007199254740993,"c":1.5,"d":true,"e":[1]}"#)
        #expect(["a", "b", "c", "d", "e"].map { claims.text($0) } == ["42", nil, nil, "true", nil])
    }

    @Test(
        arguments: [
            (#"["a","b"]"#, ["a", "b"]), (#""a b""#, ["a", "b"]), (#""{a,b}""#, ["a", "b"]),
            (#""{\"a b\",\"c\\\"d\",NULL,\"NULL\"}""#, ["a b", "c\"d", "NULL"]), (#""{}""#, []),
            (#""[\"a\"]""#, ["a"]),
            (#"[1,2]"#, nil), (#""{{a}}""#, nil), (#""{\"a}""#, nil), ("7", nil), (#"{"a":1}"#, nil),
        ] as [(String, [String]?)])
    func `a list is read from JSON, from Postgres' arrays and from words`(json: String, expected: [String]?) throws {
        #expect(try claims("{\"list\":\(json)}").texts("list") == expected)
    }

    @Test(
        arguments: [
            ("1763755919", 1_763_755_919_000_000), ("1763755919.5", 1_763_755_919_500_000),
            ("1763755919123", 1_763_755_919_123_000), (#""1763755919""#, 1_763_755_919_000_000),
            (#""2025-11-21T20:11:59Z""#, 1_763_755_919_000_000),
            (#""2025-11-21 20:11:59.123456+00""#, 1_763_755_919_123_456),
            (#""2025-11-21 15:11:59-05""#, 1_763_755_919_000_000),
            (#""2025-11-22 01:41:59+05:30""#, 1_763_755_919_000_000),
            (#""2025-11-21 20:11:59""#, nil), (#""soon""#, nil), ("-1", nil), ("1e300", nil), ("true", nil),
            (#""nan""#, nil),
        ] as [(String, Int64?)])
    func `an end is read in every form in which platforms keep it`(json: String, expected: Int64?) throws {
        #expect(try claims("{\"end\":\(json)}").instant("end") == expected)
    }

    @Test func `what Postgres calls infinity never ends`() throws {
        let claims = try claims(#"{"end":"infinity"}"#)
        #expect(try #require(claims.instant("end")) > 253_402_300_799_000_000)
    }

    @Test(arguments: [
        ("true", true), ("1", true), (#""t""#, true), (#""YES""#, true), ("false", false), ("0", false),
        (#""f""#, false), ("null", false), (#""""#, false),
    ])
    func `an account is active where the claim says so, and only then`(json: String, isActive: Bool) throws {
        var source = CredentialSource(name: "s", origin: .jwt)
        source.requiresActive = true
        source.roles = ["rider": CredentialRole(party: .device)]
        #expect((source.role(of: try claims("{\"role\":\"rider\",\"active\":\(json)}")) != nil) == isActive)
    }

    // MARK: Drafts

    private let digest = String(repeating: "0123456789abcdef", count: 4)

    private func draft(
        _ json: String, _ role: CredentialRole, words: [String: Set<Permission>] = [:], token: String = "token",
        end: Microseconds? = nil
    ) throws -> CredentialDraft? {
        let source = CredentialSource(name: "session", origin: .redis("session:{token}"))
        return CredentialDraft(
            try claims(json), source, role, token: token, digest: digest, words: words, end: end)
    }

    @Test func `a device is its driver, reports, and does nothing else`() throws {
        var role = CredentialRole(party: .device, permissions: [.readHistory])
        let own = try #require(try draft(#"{"driver":"van-1","id":"d1"}"#, role))
        #expect(own.party == .device(try #require(DriverID("van-1"))))
        #expect(own.permissions == [.writePings])
        #expect(own.id == "session:d1")
        #expect(try draft(#"{"driver":"van 1"}"#, role) == nil)
        #expect(try draft("{}", role) == nil)
        role.driver = "user"
        #expect(try draft(#"{"user":7}"#, role)?.party == .device(try #require(DriverID("7"))))
    }

    @Test func `a viewer sees what it names or what a statement says of its user, never everything`() throws {
        let role = CredentialRole(party: .viewer)
        #expect(try draft(#"{"user":"u"}"#, role) == nil)
        #expect(try draft(#"{"subjects":"order:9f2"}"#, role)?.names == ["order:9f2"])
        #expect(try draft(#"{"subjects":["order 9f2"]}"#, role) == nil)
        #expect(try draft(#"{"subjects":7}"#, role) == nil)
        var asked = role
        asked.subjects = "customer_orders"
        #expect(try draft("{}", asked) == nil)
        let draft = try #require(try draft(#"{"user":"u","permissions":["telemetry:erase","history:read"]}"#, asked))
        #expect(draft.permissions == [.readPositions, .readHistory])
        let credential = draft.credential(["order:1", "nonsense", "order:2"])
        #expect(credential.scope?.names == ["order:1", "order:2"])
        #expect(draft.credential([]).scope?.names == [])
        #expect(credential.userID == "u")
    }

    @Test func `a backend may do what its role or its claim says, in the platform's words`() throws {
        let role = CredentialRole(party: .backend)
        #expect(try draft("{}", role) == nil)
        #expect(try draft(#"{"permissions":["positions:read","x"]}"#, role)?.permissions == [.readPositions])
        let words: [String: Set<Permission>] = ["deliveries:write": [.writeAssignments, .writeSessions]]
        let permitted = try draft(#"{"permissions":["deliveries:write","telemetry:erase"]}"#, role, words: words)
        #expect(permitted?.permissions == [.writeAssignments, .writeSessions])
        #expect(try draft(#"{"permissions":7}"#, role) == nil)
        let fixed = CredentialRole(party: .backend, permissions: [.readMetrics])
        #expect(try draft(#"{"permissions":["telemetry:erase"]}"#, fixed)?.permissions == [.readMetrics])
    }

    @Test func `the earlier of two ends counts, and one that cannot be read refuses`() throws {
        let role = CredentialRole(party: .backend, permissions: [])
        #expect(try draft(#"{"expires_at":1000}"#, role, end: 5_000_000)?.expiresAt == 5_000_000)
        #expect(try draft(#"{"expires_at":4}"#, role, end: 5_000_000)?.expiresAt == 4_000_000)
        #expect(try draft("{}", role, end: 5_000_000)?.expiresAt == 5_000_000)
        #expect(try draft("{}", role)?.expiresAt == nil)
        #expect(try draft(#"{"expires_at":"soon"}"#, role) == nil)
    }

    @Test func `a limit of its own is taken over, and one that makes no sense refuses`() throws {
        let role = CredentialRole(party: .backend, permissions: [])
        let limit = #"{"rate_limit":{"requests":1000,"period":900000}}"#
        #expect(try draft(limit, role)?.quota == RequestQuota(requests: 1_000, periodMilliseconds: 900_000))
        let text = #"{"rate_limit":"{\"requests\":5,\"period\":1000}"}"#
        #expect(try draft(text, role)?.quota == RequestQuota(requests: 5, periodMilliseconds: 1_000))
        #expect(try draft(#"{"rate_limit":{"requests":0,"period":1000}}"#, role) == nil)
        #expect(try draft(#"{"rate_limit":"none"}"#, role) == nil)
    }

    @Test func `an id never shows the token`() throws {
        let role = CredentialRole(party: .backend, permissions: [])
        let token = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
        let secret = try #require(try draft("{\"id\":\"\(token)\"}", role, token: token))
        #expect(secret.id == "session:0123456789abcdef")
        #expect(try draft("{\"id\":\"a b\"}", role)?.id == "session:0123456789abcdef")
        #expect(try draft("{\"id\":\"key-7\"}", role)?.id == "session:key-7")
    }
}
