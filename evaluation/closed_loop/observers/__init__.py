"""Those who watch a drive and write down what they see."""
