// The file of keys: which it takes, what it says of those it does not, and that it follows a rotation.
import Crypto
import CryptoExtras
import Foundation
import Testing
import Tracking

@testable import Gateway

@Suite struct JWKSFileTests {
    private static let now = Microseconds(JWTIssuer.now) * 1_000_000

    private func token(_ key: SigningKey, _ id: String?) throws -> String {
        try JWTIssuer.token(header: JWTIssuer.header(key, id), claims: JWTIssuer.deviceClaims(), key)
    }

    @Test func `a new key is taken with its first token, and an old one is forgotten at the next look`() throws {
        let old = SigningKey.makeCurve()
        let new = SigningKey.makeCurve()
        let issuer = try JWTIssuer([old.entry("1")])
        let verifier = issuer.verifier()
        #expect(verifier.verify(try token(old, "1"), now: Self.now) != nil)
        #expect(verifier.verify(try token(new, "2"), now: Self.now) == nil)
        try issuer.publish([old.entry("1"), new.entry("2")])
        // Looked a moment ago: no name may make it look at every token.
        #expect(verifier.verify(try token(new, "2"), now: Self.now + 999_999) == nil)
        #expect(verifier.verify(try token(new, "2"), now: Self.now + 1_000_000) != nil)
        #expect(verifier.verify(try token(old, "1"), now: Self.now + 1_000_000) != nil)
        try issuer.publish([new.entry("2")])
        #expect(verifier.verify(try token(old, "1"), now: Self.now + 1_000_001) != nil)
        verifier.reloadIfChanged()
        #expect(verifier.verify(try token(old, "1"), now: Self.now + 1_000_001) == nil)
        #expect(verifier.verify(try token(new, "2"), now: Self.now + 1_000_001) != nil)
    }

    @Test func `a key under the same name and of the same size is noticed, in the same file too`() throws {
        let old = SigningKey.makeSecret()
        let new = SigningKey.makeSecret()
        let issuer = try JWTIssuer([old.entry("1")])
        // A time like that of a file that is being written: it may stay the same however often the file changes.
        let moment = Date(timeIntervalSinceNow: 60)
        try FileManager.default.setAttributes([.modificationDate: moment], ofItemAtPath: issuer.path)
        let verifier = issuer.verifier()
        #expect(verifier.verify(try token(old, "1"), now: Self.now) != nil)
        let text = try JSONSerialization.data(withJSONObject: ["keys": [new.entry("1")]])
        let handle = try #require(FileHandle(forWritingAtPath: issuer.path))
        try handle.write(contentsOf: text)
        try handle.close()
        try FileManager.default.setAttributes([.modificationDate: moment], ofItemAtPath: issuer.path)
        verifier.reloadIfChanged()
        #expect(verifier.verify(try token(old, "1"), now: Self.now) == nil)
        #expect(verifier.verify(try token(new, "1"), now: Self.now) != nil)
        // An old time that is another than before counts as well.
        try issuer.publish([old.entry("1")])
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSince1970: 1_000)], ofItemAtPath: issuer.path)
        verifier.reloadIfChanged()
        #expect(verifier.verify(try token(old, "1"), now: Self.now) != nil)
    }

    @Test func `a broken or missing file leaves the keys as they are and says why`() throws {
        let key = SigningKey.makeSecret()
        let issuer = try JWTIssuer([key.entry("1")])
        let verifier = issuer.verifier()
        for (text, expected) in [
            ("", "not JSON"), ("{\"keys\":[", "not JSON"), ("[]", "expected {\"keys\""), ("{\"keys\":{}}", "expected"),
            ("{\"keys\":[]}", "no key in it"), ("{\"keys\":[7]}", "key 1 has no kty"),
            ("{\"keys\":[],\"keys\":[]}", "member twice"), (String(repeating: " ", count: 1_048_577), "are the most"),
        ] {
            try issuer.write(text)
            verifier.reloadIfChanged()
            let problem = try #require(verifier.problem, "\(expected)")
            #expect(problem.contains(expected) && problem.contains(issuer.path), "\(problem)")
            #expect(problem.contains("stay in use"))
            #expect(verifier.verify(try token(key, "1"), now: Self.now) != nil)
        }
        try FileManager.default.removeItem(atPath: issuer.path)
        verifier.reloadIfChanged()
        #expect(verifier.problem?.contains("No such file") == true)
        #expect(verifier.verify(try token(key, "1"), now: Self.now) != nil)
        try issuer.publish([key.entry("1")])
        verifier.reloadIfChanged()
        #expect(verifier.problem == nil)
    }

    @Test func `without a file no JWT is accepted, and one that comes later is used`() throws {
        let key = SigningKey.makeSecret()
        let issuer = try JWTIssuer()
        try FileManager.default.removeItem(atPath: issuer.path)
        let verifier = issuer.verifier()
        #expect(verifier.problem?.contains("no JWT is accepted") == true)
        #expect(verifier.verify(try token(key, nil), now: Self.now) == nil)
        try issuer.publish([key.entry(nil)])
        verifier.reloadIfChanged()
        #expect(verifier.verify(try token(key, nil), now: Self.now) != nil)
        let none = JWTVerifier(file: "", audience: "drover", leewaySeconds: 60, maximumLifetimeSeconds: 3_600)
        #expect(none.problem == nil)
        #expect(none.verify(try token(key, nil), now: Self.now) == nil)
    }

    @Test func `a single key needs no name, and one that is named is found without`() throws {
        let key = SigningKey.makeSecret()
        let nameless = try JWTIssuer([key.entry(nil)])
        #expect(nameless.verifier().verify(try token(key, nil), now: Self.now) != nil)
        #expect(nameless.verifier().verify(try token(key, "1"), now: Self.now) == nil)
        let named = try JWTIssuer([key.entry("1")])
        #expect(named.verifier().verify(try token(key, nil), now: Self.now) != nil)
        #expect(named.verifier().verify(try token(key, "1"), now: Self.now) != nil)
        #expect(named.verifier().verify(try token(key, "2"), now: Self.now) == nil)
    }

    @Test func `weak, wrong and ambiguous keys are refused with their reason`() throws {
        let secret = SigningKey.makeSecret()
        let curve = SigningKey.makeCurve()
        let rsa = SigningKey.sharedRSA
        // Numbers of the right size, which is all that is looked at before.
        let weak = base64URL(Data([0xC1] + [UInt8](repeating: 0x55, count: 127)))
        let even = base64URL(Data([0xC1] + [UInt8](repeating: 0x54, count: 255)))
        let cases: [([[String: String]], String)] = try [
            ([SigningKey.makeSecret(bytes: 31).entry("1")], "31 bytes; 32 are the least"),
            ([secret.entry("1", ["k": nil])], "has no k in base64url"),
            ([secret.entry("1", ["k": "a+b/"])], "has no k in base64url"),
            ([secret.entry("1", ["alg": "RS256"])], "cannot check; expected HS256"),
            ([secret.entry("")], "has a kid that is no text"),
            ([secret.entry("1"), curve.entry("1")], "the same kid"),
            ([secret.entry("1"), curve.entry(nil)], "a key has no kid"),
            ([curve.entry("1", ["y": base64URL(Data(count: 32))])], "no point on P-256"),
            ([curve.entry("1", ["x": base64URL(Data(count: 31))])], "no point on P-256"),
            ([rsa.entry("1", ["n": weak])], "1024 bits; 2048 are the least"),
            ([rsa.entry("1", ["n": "AAAA"])], "0 bits; 2048 are the least"),
            ([rsa.entry("1", ["n": even])], "no RSA key"),
            ([rsa.entry("1", ["e": "AQ"])], "no RSA key"), ([rsa.entry("1", ["e": "AA"])], "no RSA key"),
            ([rsa.entry("1", ["alg": "HS256"])], "expected RS256"),
            ([curve.entry("1", ["crv": "P-384"])], "no key in it"),
            ([rsa.entry("1", ["use": "enc"])], "no key in it"),
            ([rsa.entry("1", ["alg": "RSA-OAEP"])], "no key in it"),
        ]
        for (entries, expected) in cases {
            let problem = try #require(JWTIssuer(entries).verifier().problem, "\(expected)")
            #expect(problem.contains(expected), "\(problem)")
        }
    }

    @Test func `entries for something else are passed over`() throws {
        let key = SigningKey.makeCurve()
        let issuer = try JWTIssuer([
            ["kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "o"], SigningKey.sharedRSA.entry("e", ["use": "enc"]),
            key.entry("1"),
        ])
        let verifier = issuer.verifier()
        #expect(verifier.problem == nil)
        #expect(verifier.verify(try token(key, "1"), now: Self.now) != nil)
        #expect(verifier.verify(try token(SigningKey.sharedRSA, "e"), now: Self.now) == nil)
    }
}
