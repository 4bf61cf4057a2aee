import { testScenarios } from "./testing.ts";

testScenarios("quorum");
