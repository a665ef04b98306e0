// JWTs that must be believed, and all those that must not: part C.6 of the catalogue of bad input, as tables.
import Crypto
import CryptoExtras
import Foundation
import Testing
import Tracking

@testable import Gateway

private let now = Microseconds(JWTIssuer.now) * 1_000_000

@Suite struct JWTTests {
    private let secret = SigningKey.makeSecret()
    private let curve = SigningKey.makeCurve()
    private let rsa = SigningKey.sharedRSA
    private let issuer: JWTIssuer
    private let verifier: JWTVerifier

    init() throws {
        issuer = try JWTIssuer([secret.entry("s"), curve.entry("c"), rsa.entry("r", ["alg": "RS256", "use": "sig"])])
        verifier = issuer.verifier()
        #expect(verifier.problem == nil)
    }

    private func verify(claims: String, at moment: Microseconds = now) throws -> Credential? {
        verifier.verify(
            try JWTIssuer.token(header: JWTIssuer.header(secret, "s"), claims: claims, secret), now: moment)
    }

    private func verify(header: String, _ key: SigningKey? = nil) throws -> Credential? {
        verifier.verify(
            try JWTIssuer.token(header: header, claims: JWTIssuer.deviceClaims(), key ?? secret), now: now)
    }

    // MARK: Good ones

    @Test func `a token of each algorithm is a credential`() throws {
        for (key, id) in [(secret, "s"), (curve, "c"), (rsa, "r")] {
            let token = try JWTIssuer.token(
                header: JWTIssuer.header(key, id), claims: JWTIssuer.deviceClaims([("jti", "\"t-1\"")]), key)
            #expect(JWTVerifier.looksLikeJWT(token))
            let credential = try #require(verifier.verify(token, now: now), "\(key.algorithm)")
            #expect(
                credential
                    == Credential(
                        id: "jwt:t-1", party: .device(DriverID("d1")!), permissions: [.writePings],
                        expiresAt: now + 3_600_000_000))
        }
    }

    @Test func `the example of RFC 7515 is verified, and its exp is long past`() throws {
        // RFC 7515, appendix A.1.
        try issuer.write(
            """
            {"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]}
            """)
        verifier.reloadIfChanged()
        let token =
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
            + "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
            + "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        let parts = token.split(separator: ".")
        let key = try #require(JWKSFile(path: issuer.path).key(named: nil))
        let signature = try #require(Base64URL.decode(parts[2].utf8))
        #expect(key.isValid(signature, for: Array((parts[0] + "." + parts[1]).utf8)))
        #expect(verifier.verify(token, now: now) == nil)
    }

    @Test func `a viewer has a scope, and history only where the token says so`() throws {
        let changes: [(String, String?)] = [
            ("sub", "\"customer-7\""), ("role", "\"viewer\""), ("subjects", "[\"order:9f2\",\"group:east\"]"),
        ]
        let plain = try #require(try verify(claims: JWTIssuer.deviceClaims(changes)))
        #expect(plain.id == "jwt:customer-7")
        #expect(plain.party == .viewer)
        #expect(plain.permissions == [.readPositions])
        #expect(plain.scope?.names == ["order:9f2", "group:east"])
        let permissions = "[\"history:read\",\"pings:write\",\"telemetry:erase\"]"
        let more = try #require(try verify(claims: JWTIssuer.deviceClaims(changes + [("permissions", permissions)])))
        #expect(more.permissions == [.readPositions, .readHistory])
    }

    @Test func `a backend has the permissions that are known, and a scope if the token limits it`() throws {
        let changes: [(String, String?)] = [
            ("role", "\"backend\""), ("sub", nil), ("permissions", "[\"pings:write\",\"sessions:write\",\"fly\"]"),
        ]
        let plain = try #require(try verify(claims: JWTIssuer.deviceClaims(changes)))
        #expect(plain.party == .backend)
        #expect(plain.permissions == [.writePings, .writeSessions])
        #expect(plain.scope == nil)
        let limited = try verify(claims: JWTIssuer.deviceClaims(changes + [("subjects", "[\"group:east-*\"]")]))
        #expect(limited?.scope?.names == ["group:east-*"])
    }

    @Test func `an id is short, printable and nothing of the token`() throws {
        let long = String(repeating: "x", count: 65)
        for (jti, sub) in [("\"\(long)\"", "\"d1\""), ("\"a\\nb\"", "\"d1\""), ("\"\"", "\"d1\""), ("\"ü\"", "\"d1\"")]
        {
            let claims = JWTIssuer.deviceClaims([("jti", jti), ("sub", sub)])
            let token = try JWTIssuer.token(header: JWTIssuer.header(secret, "s"), claims: claims, secret)
            let id = try #require(verifier.verify(token, now: now)).id
            #expect(id.wholeMatch(of: #/jwt:[0-9a-f]{32}/#) != nil, "\(id)")
        }
        let nameless = JWTIssuer.deviceClaims([
            ("role", "\"viewer\""), ("sub", nil), ("subjects", "[\"order:1\"]"),
        ])
        #expect(try verify(claims: nameless)?.id.hasPrefix("jwt:") == true)
        let fits = String(repeating: "x", count: 64)
        #expect(try verify(claims: JWTIssuer.deviceClaims([("jti", "\"\(fits)\"")]))?.id == "jwt:" + fits)
    }

    // MARK: Headers

    @Test(arguments: [
        #"{"alg":"none"}"#, #"{"alg":"none","kid":"s"}"#, #"{"alg":"None","kid":"s"}"#, #"{"alg":"","kid":"s"}"#,
        #"{"alg":null,"kid":"s"}"#, #"{"alg":["HS256"],"kid":"s"}"#, #"{"kid":"s"}"#, #"{"alg":"hs256","kid":"s"}"#,
        #"{"alg":"HS512","kid":"s"}"#, #"{"alg":"RS256","kid":"s"}"#, #"{"alg":"ES256","kid":"s"}"#,
        #"{"alg":"HS256","kid":"c"}"#, #"{"alg":"HS256","kid":"r"}"#, #"{"alg":"HS256"}"#,
        #"{"alg":"HS256","kid":"x"}"#, #"{"alg":"HS256","kid":"../../s"}"#, #"{"alg":"HS256","kid":"/etc/passwd"}"#,
        #"{"alg":"HS256","kid":""}"#, #"{"alg":"HS256","kid":7}"#, #"{"alg":"HS256","kid":null}"#,
        #"{"alg":"HS256","kid":["s"]}"#, #"{"alg":"HS256","kid":"s\u0000"}"#, #"{"alg":"HS256","kid":"s\n"}"#,
        #"{"alg":"HS256","kid":"s","crit":["b64"],"b64":false}"#, #"{"alg":"HS256","kid":"s","crit":[]}"#,
        #"{"alg":"HS256","kid":"s","alg":"HS256"}"#, #"{"alg":"HS256","kid":"s","\u0061lg":"HS256"}"#,
        #"{"alg":"HS256","kid":"s",}"#, #"["HS256"]"#, "", "null", #"{"alg":"HS256","kid":"s"}x"#,
        "{\"alg\":\"HS256\",\"kid\":\"s\",\"x\":\"\u{1}\"}",
    ])
    func `a header that is not exactly a key's is refused`(header: String) throws {
        #expect(try verify(header: header) == nil)
    }

    @Test func `a kid of ten kilobytes is refused`() throws {
        #expect(try verify(header: "{\"alg\":\"HS256\",\"kid\":\"\(String(repeating: "s", count: 10_240))\"}") == nil)
        #expect(try verify(header: "{\"alg\":\"HS256\",\"kid\":\"\(String(repeating: "s", count: 129))\"}") == nil)
    }

    @Test func `a secret made of the RSA public key signs nothing`() throws {
        guard case .rsa(let key) = rsa else { return }
        let parts = try key.publicKey.getKeyPrimitives()
        for bytes in [
            Data(key.publicKey.pemRepresentation.utf8), key.publicKey.derRepresentation,
            Data(key.publicKey.pkcs1PEMRepresentation.utf8), key.publicKey.pkcs1DERRepresentation, parts.modulus,
        ] {
            let confused = SigningKey.secret(SymmetricKey(data: bytes))
            #expect(try verify(header: #"{"alg":"HS256","kid":"r"}"#, confused) == nil)
            #expect(try verify(header: #"{"alg":"RS256","kid":"r"}"#, confused) == nil)
        }
    }

    @Test func `a key that the token brings along or points to is not looked at`() throws {
        let own = SigningKey.makeCurve()
        let brought = String(
            decoding: try JSONSerialization.data(withJSONObject: own.entry("mine")), as: UTF8.self)
        for extra in [
            "\"jwk\":\(brought)", "\"jku\":\"http://127.0.0.1:9/keys\"", "\"x5u\":\"http://127.0.0.1:9/chain\"",
            "\"jku\":\"file://\(issuer.path)\"",
        ] {
            #expect(try verify(header: "{\"alg\":\"ES256\",\"kid\":\"mine\",\(extra)}", own) == nil)
            #expect(try verify(header: "{\"alg\":\"ES256\",\"kid\":\"c\",\(extra)}", own) == nil)
            #expect(try verify(header: "{\"alg\":\"ES256\",\"kid\":\"c\",\(extra)}", curve) != nil)
        }
    }

    // MARK: Form

    @Test func `base64 in any other form is refused`() throws {
        let token = try JWTIssuer.token(
            header: JWTIssuer.header(secret, "s"), claims: JWTIssuer.deviceClaims([("jti", "\"~~~???\"")]), secret)
        #expect(verifier.verify(token, now: now) != nil)
        let parts = token.split(separator: ".").map(String.init)
        for index in 0..<3 {
            for change in ["=", "==", " ", "\n", "\t", "A", "AAAAA"] {
                var changed = parts
                changed[index] += change
                #expect(verifier.verify(changed.joined(separator: "."), now: now) == nil, "\(index) \(change)")
                changed = parts
                changed[index] = change + changed[index]
                #expect(verifier.verify(changed.joined(separator: "."), now: now) == nil, "\(change) \(index)")
            }
        }
        // The same bytes in the other alphabet, signed as they stand.
        let other = parts[0] + "." + parts[1].replacing("-", with: "+").replacing("_", with: "/")
        #expect(other != parts[0] + "." + parts[1])
        #expect(verifier.verify(try other + "." + base64URL(secret.sign(other)), now: now) == nil)
        // Padding, signed as it stands.
        let padded = parts[0] + "=." + parts[1]
        #expect(verifier.verify(try padded + "." + base64URL(secret.sign(padded)), now: now) == nil)
        for text in [
            "", ".", "..", "...", parts[0], parts[0] + "." + parts[1], token + ".", "." + token, token + "." + parts[2],
            parts[0] + "." + parts[1] + ".", "." + parts[1] + "." + parts[2], parts[0] + ".." + parts[2],
            token + "\u{0}", " " + token, token + " ", "é" + token,
        ] {
            #expect(verifier.verify(text, now: now) == nil, "\(text.count)")
        }
    }

    @Test func `a signature of zeros, of the wrong length or in DER is refused`() throws {
        guard case .curve(let key) = curve else { return }
        let message =
            base64URL(Data(JWTIssuer.header(curve, "c").utf8)) + "."
            + base64URL(Data(JWTIssuer.deviceClaims().utf8))
        let signature = try key.signature(for: Data(message.utf8))
        let raw = signature.rawRepresentation
        #expect(verifier.verify(message + "." + base64URL(raw), now: now) != nil)
        for bad in [
            Data(), Data(count: 64), Data(repeating: 0xFF, count: 64), Data(count: 32) + raw.suffix(32),
            raw.prefix(32) + Data(count: 32), raw.prefix(63), raw + Data([0]), Data([0]) + raw, raw + raw,
            signature.derRepresentation,
        ] {
            #expect(verifier.verify(message + "." + base64URL(bad), now: now) == nil, "\(bad.count)")
        }
    }

    @Test func `a token of more than 8 KiB is refused, one of 8 KiB is not`() throws {
        let header = JWTIssuer.header(secret, "s")
        func token(_ filler: Int) throws -> String {
            try JWTIssuer.token(
                header: header,
                claims: JWTIssuer.deviceClaims([("pad", "\"\(String(repeating: "p", count: filler))\"")]), secret)
        }
        var filler = 5_000
        while try token(filler).utf8.count <= JWTVerifier.maximumBytes - 2 { filler += 1 }
        #expect(verifier.verify(try token(filler - 1), now: now) != nil)
        while try token(filler).utf8.count <= JWTVerifier.maximumBytes { filler += 1 }
        #expect(verifier.verify(try token(filler), now: now) == nil)
        #expect(verifier.verify(try token(16_384), now: now) == nil)
    }

    @Test func `whatever single character of a good token is changed, it is refused`() throws {
        let alphabet = Array("ABab01-_.=+/ ".utf8)
        for (key, id) in [(secret, "s"), (curve, "c"), (rsa, "r")] {
            let token = Array(
                try JWTIssuer.token(header: JWTIssuer.header(key, id), claims: JWTIssuer.deviceClaims(), key).utf8)
            #expect(verifier.verify(String(decoding: token, as: UTF8.self), now: now) != nil)
            for index in token.indices {
                // The neighbours differ in the last bits, which is where a lenient decoder is deceived.
                for byte in alphabet + [token[index] &+ 1, token[index] &- 1, token[index] ^ 0x20, 0]
                where byte != token[index] {
                    var changed = token
                    changed[index] = byte
                    let text = String(decoding: changed, as: UTF8.self)
                    #expect(verifier.verify(text, now: now) == nil, "\(key.algorithm) at \(index): \(byte)")
                }
                var shorter = token
                shorter.remove(at: index)
                #expect(verifier.verify(String(decoding: shorter, as: UTF8.self), now: now) == nil)
            }
        }
    }
}

// MARK: Claims

@Suite struct JWTClaimTests {
    private static let at = JWTIssuer.now
    private static let secret = SigningKey.makeSecret()

    private func verify(_ changes: [(String, String?)], leeway: Int = 60, maximum: Int = 2_678_400) throws
        -> Credential?
    {
        let issuer = try JWTIssuer([Self.secret.entry(nil)])
        let token = try JWTIssuer.token(
            header: JWTIssuer.header(Self.secret, nil), claims: JWTIssuer.deviceClaims(changes), Self.secret)
        return issuer.verifier(leeway: leeway, maximumLifetime: maximum).verify(token, now: now)
    }

    @Test(arguments: [
        nil, "null", "\"\(at + 3_600)\"", "-1", "-1e300", "0", "1e300", "1e999", "true", "[\(at + 60)]", "{}",
        "\(at + 315_360_000)", "\(at + 2_678_400 + 61)", "\(at - 60)", "\(at - 61)", "\(at - 3_600)", "1",
    ])
    func `exp must be a time that is not past and not too far`(value: String?) throws {
        #expect(try verify([("exp", value)]) == nil)
    }

    @Test func `within the leeway a token that has just expired is good for the rest of it`() throws {
        let late = try #require(try verify([("exp", "\(Self.at - 59)")]))
        #expect(late.expiresAt == now + 1_000_000)
        let edge = try #require(try verify([("exp", "\(Self.at)")]))
        #expect(edge.expiresAt == now + 60_000_000)
        let soon = try #require(try verify([("exp", "\(Self.at + 1)")]))
        #expect(soon.expiresAt == now + 1_000_000)
        let half = try #require(try verify([("exp", "\(Self.at).5")]))
        #expect(half.expiresAt == now + 500_000)
        #expect(try verify([("exp", "\(Self.at)")], leeway: 0) == nil)
        #expect(try verify([("exp", "\(Self.at + 2_678_400)")])?.expiresAt == now + 2_678_400_000_000)
        #expect(try verify([("exp", "\(Self.at + 61)")], leeway: 0, maximum: 60) == nil)
    }

    @Test(arguments: [
        ("\(at + 120)", false), ("\(at + 61)", false), ("\(at + 60)", true), ("\(at)", true), ("0", true),
        ("\"\(at)\"", false), ("null", false), ("1e300", false),
    ])
    func `nbf may be ahead by the leeway`(value: String, isGood: Bool) throws {
        #expect(try (verify([("nbf", value)]) != nil) == isGood)
    }

    @Test(arguments: [
        (nil, true), ("\"drover\"", true), ("[\"other\",\"drover\"]", true), ("\"other\"", false), ("\"\"", false),
        ("[\"other\"]", false), ("[]", false), ("null", false), ("7", false), ("[\"drover\",7]", false),
        ("\"drover \"", false), ("\"DROVER\"", false), ("{\"drover\":1}", false),
    ])
    func `aud must hold our name where it is there`(value: String?, isGood: Bool) throws {
        #expect(try (verify([("aud", value)]) != nil) == isGood)
    }

    @Test(
        arguments: [
            [("role", nil)], [("role", "\"admin\"")], [("role", "\"Device\"")], [("role", "[\"device\"]")],
            [("sub", nil)], [("sub", "7")], [("sub", "\"\"")], [("sub", "\"a b\"")], [("sub", "\"driver/1\"")],
            [("sub", "\"\(String(repeating: "d", count: 65))\"")], [("jti", "7")], [("iat", "\"now\"")],
            [("role", "\"viewer\"")], [("role", "\"viewer\""), ("subjects", "[]")],
            [("role", "\"viewer\""), ("subjects", "\"order:1\"")], [("role", "\"viewer\""), ("subjects", "[\"*\"]")],
            [("role", "\"viewer\""), ("subjects", "[\"order:1\",\"nothing\"]")],
            [("role", "\"viewer\""), ("subjects", "[\"order:1\",7]")],
            [("role", "\"viewer\""), ("subjects", "[\"order:1\"]"), ("permissions", "\"history:read\"")],
            [("role", "\"backend\"")], [("role", "\"backend\""), ("permissions", "\"pings:write\"")],
            [("role", "\"backend\""), ("permissions", "[\"pings:write\"]"), ("subjects", "[]")],
            [("role", "\"backend\""), ("permissions", "[\"pings:write\"]"), ("subjects", "null")],
            [("role", "\"backend\""), ("permissions", "[\"pings:write\"]"), ("subjects", "[\"nothing\"]")],
        ] as [[(String, String?)]])
    func `claims that do not say as what, or say it wrongly, are refused`(changes: [(String, String?)]) throws {
        #expect(try verify(changes) == nil)
    }

    @Test func `a claim twice is refused, however it is spelt and however deep`() throws {
        let issuer = try JWTIssuer([Self.secret.entry(nil)])
        let verifier = issuer.verifier()
        let good = JWTIssuer.deviceClaims()
        for addition in [
            "\"role\":\"backend\"", "\"role\":\"device\"", "\"\\u0072ole\":\"device\"", "\"x\":{\"a\":1,\"a\":1}",
            "\"x\":[{\"a\":1,\"a\":2}]",
        ] {
            let claims = good.dropLast() + "," + addition + "}"
            let token = try JWTIssuer.token(
                header: JWTIssuer.header(Self.secret, nil), claims: String(claims), Self.secret)
            #expect(verifier.verify(token, now: now) == nil, "\(addition)")
        }
        for claims in [
            String(good.dropLast()), good + good, "[\(good)]", "", "null",
            "{\"x\":\(String(repeating: "[", count: 4_000))",
        ] {
            let token = try JWTIssuer.token(header: JWTIssuer.header(Self.secret, nil), claims: claims, Self.secret)
            #expect(verifier.verify(token, now: now) == nil)
        }
        let message =
            base64URL(Data(JWTIssuer.header(Self.secret, nil).utf8)) + "."
            + base64URL(Data(good.replacing("d1", with: "d").utf8.dropLast()) + Data([0x2C, 0x22, 0xFF, 0x22]))
        #expect(verifier.verify(try message + "." + base64URL(Self.secret.sign(message)), now: now) == nil)
    }
}
